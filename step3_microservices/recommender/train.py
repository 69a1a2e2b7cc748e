"""From cleaned interactions to served lists: `python -m step3_microservices.recommender.train INTERACTIONS`.

The newest days are held back first, and every model is asked for them. Only a candidate that passes the release gate is
then trained on all days, and published.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from tqdm import tqdm

from shared.errors import ArtifactError, ExpectedError
from shared.recommender.behaviour import examine
from shared.recommender.catalogue import Catalogue, read_catalogue
from shared.recommender.collaborative import Collaborative, Progress, Settings, implicit_factors
from shared.recommender.collaborative_spark import spark_factors
from shared.recommender.demo_truth import Truth
from shared.recommender.evaluation import evaluate
from shared.recommender.interactions import Interactions, read_interactions
from shared.recommender.manifest import Manifest
from shared.recommender.oracle import Oracle
from shared.recommender.popularity import country_popularity, global_popularity, recent_popularity
from shared.recommender.ranking import Recommender
from shared.recommender.release_gate import ReleaseRefusedError, judge_quality, judge_size, refuse_if_broken
from shared.recommender.splits import Split, check_popularity, check_rows, split_by_day
from step3_microservices.recommender.artifact_stores import KEPT, ArtifactStore
from step3_microservices.recommender.config import ARTIFACTS
from step3_microservices.recommender.release import Release, publish
from step3_microservices.recommender.report import Report, table, write_report

REPORT = Path(".data/recommender/report")
REFUSED, UNUSABLE = 1, 2
INTERRUPTED = 130  # what shells report for a program that Ctrl-C ended


@dataclass(frozen=True)
class Options:
    """What is trained on what, and where it goes."""

    interactions: Path
    catalogue: Path
    artifacts: str = ARTIFACTS
    keep: int = KEPT
    report: Path = REPORT
    truth: Path | None = None
    cut: date | None = None
    until: date | None = None
    settings: Settings = field(default_factory=Settings)
    master: str | None = None

    def candidate(self, progress: Progress) -> Collaborative:
        """Return the model that is to be released, not fitted yet; `progress` hears of each iteration."""
        factorise = spark_factors(self.master) if self.master else implicit_factors
        return Collaborative(self.settings, factorise=factorise, progress=progress)


def train(options: Options) -> Manifest:
    """Judge the candidate by the newest days, write the report, train on all days and publish; return what was.

    Raises ExpectedError: for what cannot be read or parted, LeakError, and, after the report, ReleaseRefusedError.
    """
    catalogue = read_catalogue(options.catalogue)
    interactions = read_interactions(options.interactions, catalogue.item_ids, options.until)
    report = judge(options, catalogue, interactions)
    write_report(report, options.report)
    _tell(*_aligned(table(report.evaluation)))
    _tell(*(f"{'kept' if finding.kept else 'BROKEN':8}{finding.rule}: {finding.seen}" for finding in report.findings))
    refuse_if_broken(report.findings)
    model = _fitted(options, interactions, "training on all days")
    with tempfile.TemporaryDirectory() as folder, _bar("lists", len(interactions.user_ids)) as bar:
        contents = Release(model, interactions, catalogue, report)
        manifest = contents.write(Path(folder), bar.update)
        refuse_if_broken(judge_size(manifest))
        publish(Path(folder) / manifest.version, options.artifacts)
    _prune(options)
    return manifest


def _prune(options: Options) -> None:
    """Remove old versions. Where that fails the new one is served all the same, so it is told and no more."""
    try:
        removed = ArtifactStore(options.artifacts).prune(options.keep)
    except ArtifactError as error:
        _tell(f"Old versions cannot be removed. {error.detail} {error.remedy}")
    else:
        _tell(*(f"removed {version}, which was old" for version in removed))


def judge(options: Options, catalogue: Catalogue, interactions: Interactions) -> Report:
    """Fit all models to the older days, and hold them against the newest ones. Raises LeakError and SplitError."""
    split = split_by_day(interactions, options.cut)
    check_rows(split, catalogue.released)
    candidate = _fitted(options, split.train, f"training on the days before {split.cut}")
    popularities = (global_popularity(), country_popularity(), recent_popularity())
    for popularity in popularities:
        popularity.fit(split.train)
    for model in (*popularities, candidate):
        check_popularity(model.counts, split)
    evaluation = evaluate([*popularities, candidate, *_oracles(options, split)], split)
    findings = [
        *judge_quality(evaluation, candidate.name, [its.name for its in popularities[1:]]),
        *examine(candidate, split.train),
    ]
    facts = {
        "rows": len(interactions),
        "users": len(interactions.user_ids),
        "items": len(interactions.item_ids),
        "days": f"{interactions.first_day} to {interactions.last_day}",
        "library": "Spark MLlib" if options.master else "implicit",
        **asdict(options.settings),
    }
    return Report(candidate.name, facts, evaluation, findings)


def _oracles(options: Options, split: Split) -> Iterator[Recommender]:
    if options.truth:
        oracle = Oracle(Truth.read(options.truth), split.cut + (split.test.last_day - split.cut) / 2)
        oracle.fit(split.train)
        yield oracle


def main(arguments: Sequence[str] | None = None) -> int:
    """Train from the command line; return 0 if a model was released, 1 if it was refused, 2 if there could be none."""
    given = vars(_parser().parse_args(arguments))
    settings = Settings(**{name: given.pop(name) for name in asdict(Settings())})
    try:
        manifest = train(Options(**given, settings=settings))
    except ExpectedError as error:
        _tell(f"{error.detail}\n{error.remedy}")
        return REFUSED if isinstance(error, ReleaseRefusedError) else UNUSABLE
    except OSError as error:
        _tell(f"{error.filename} cannot be written ({error.strerror}).\nName another place.")
        return UNUSABLE
    except KeyboardInterrupt:
        _tell("Stopped. What was released before is served on.")
        return INTERRUPTED
    print(f"{manifest.version}: lists for {manifest.users} users")  # noqa: T201
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m step3_microservices.recommender.train",
        description="Train the recommender, hold it against popularity on the newest days, and publish its lists.",
    )
    parser.add_argument("interactions", type=Path, help="the folder that cleaning wrote")
    parser.add_argument("--catalogue", type=Path, required=True, help="catalogue.parquet: what there is")
    parser.add_argument("--artifacts", default=ARTIFACTS, help="a folder or s3://bucket/prefix (default: %(default)s)")
    parser.add_argument("--keep", type=_one_or_more, default=KEPT, help="how many versions stay (default: %(default)s)")
    parser.add_argument("--report", type=Path, default=REPORT, help="a folder (default: %(default)s)")
    parser.add_argument(
        "--truth", type=Path, metavar="LOGS", help="the folder of demo logs, to ask their truth as well"
    )
    parser.add_argument("--cut", type=date.fromisoformat, help="the first day held back (default: the last week's)")
    parser.add_argument("--until", type=date.fromisoformat, help="the last day to read (default: all)")
    parser.add_argument("--master", help="train with Spark at that master instead of on this machine, such as local[2]")
    for name, value in asdict(Settings()).items():
        option = f"--{name.replace('_', '-')}"
        parser.add_argument(option, type=type(value), default=value, help="default: %(default)s")
    return parser


def _one_or_more(text: str) -> int:
    if (number := int(text)) < 1:
        raise ValueError
    return number


def _fitted(options: Options, interactions: Interactions, what: str) -> Collaborative:
    with _bar(what, options.settings.iterations) as bar:
        model = options.candidate(lambda done: bar.update(done - bar.n))
        model.fit(interactions)
    return model


def _bar(what: str, total: int) -> Any:  # noqa: ANN401 - tqdm has no types
    """Return a bar that only a terminal shows."""
    return tqdm(desc=what, total=total, disable=None, file=sys.stderr)


def _tell(*lines: str) -> None:
    for line in lines:
        print(line, file=sys.stderr)  # noqa: T201


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    return [f"{row[0]:32}" + "".join(f"{cell:>12}" for cell in row[1:]) for row in rows]


if __name__ == "__main__":
    sys.exit(main())
