"""Whether a model may be released: every rule is looked at, and one that is broken is enough to refuse it."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from shared.errors import ExpectedError
from shared.recommender.behaviour import Finding
from shared.recommender.evaluation import Evaluation, Figures
from shared.recommender.manifest import LISTS, Manifest


class ReleaseRefusedError(ExpectedError):
    """The model must not be released."""

    code = "release_refused"

    def __init__(self, broken: Sequence[Finding]) -> None:
        """Name the rules that it breaks."""
        rules = "; ".join(f"{finding.rule} ({finding.seen})" for finding in broken)
        super().__init__(
            f"Not released, for these rules are broken: {rules}.", "What was released before is served on."
        )
        self.broken = broken


@dataclass(frozen=True)
class Limits:
    """From where on a model is refused."""

    least_lift: float = 1.0
    """NDCG@10 of known users, over that of the best popularity by country."""

    least_lift_of_a_part: float = 0.8
    """The same in each country and for each activity, where figures are coarser."""

    users_of_a_part: int = 500
    """Parts with fewer users are not judged."""

    most_concentration: float = 0.5
    """In which share of the lists one item may be among the first ten."""

    bytes_per_user: int = 100
    """What the lists may take, index included."""

    bytes_besides: int = 1 << 20
    """What they may take however few users there are."""


def judge_quality(
    evaluation: Evaluation, candidate: str, baselines: Sequence[str], limits: Limits = Limits()
) -> Iterator[Finding]:
    """Yield what the figures say of the candidate, next to popularity by country."""
    models = evaluation.models
    figures = models[candidate]
    baseline = max((models[name] for name in baselines), key=lambda its: its.known.ndcg_at_10)
    lift = _lift(figures.known, baseline.known)
    seen = f"NDCG@10 is {figures.known.ndcg_at_10:.3f}, {lift:.2f} times as high"
    yield Finding("better than popularity in the country", lift > limits.least_lift, seen)
    for what, parts, others in (
        ("activity", figures.by_activity, baseline.by_activity),
        ("country", figures.by_country, baseline.by_country),
    ):
        lifts = {name: _lift(its, others[name]) for name, its in parts.items() if its.users >= limits.users_of_a_part}
        low = [f"{name}: {lift:.2f} times" for name, lift in lifts.items() if lift < limits.least_lift_of_a_part]
        yield Finding(f"no {what} is much worse off", not low, ", ".join(low) or f"none of {len(lifts)}")
    yield from _popularity_bias(evaluation, candidate, limits, baseline.novelty_at_10)


def judge_size(manifest: Manifest, limits: Limits = Limits()) -> Iterator[Finding]:
    """Yield whether the lists that were written are small enough."""
    size = manifest.files[LISTS].size
    allowed = limits.bytes_per_user * manifest.users + limits.bytes_besides
    yield Finding("small enough", size <= allowed, f"{size} bytes for {manifest.users} users")


def refuse_if_broken(findings: Iterable[Finding]) -> None:
    """Raise ReleaseRefusedError unless every rule is kept."""
    if broken := [finding for finding in findings if not finding.kept]:
        raise ReleaseRefusedError(broken)


def _popularity_bias(evaluation: Evaluation, candidate: str, limits: Limits, least_novelty: float) -> Iterator[Finding]:
    figures = evaluation.models[candidate]
    share = figures.concentration_at_10
    seen = f"one item is in {share:.0%} of the lists"
    yield Finding("not the same for everybody", share <= limits.most_concentration, seen)
    seen = f"{figures.novelty_at_10:.2f} bits, and {least_novelty:.2f} by popularity in the country"
    yield Finding("no more biased to what is popular than popularity", figures.novelty_at_10 >= least_novelty, seen)


def _lift(figures: Figures, baseline: Figures) -> float:
    return figures.ndcg_at_10 / max(baseline.ndcg_at_10, 1e-9)
