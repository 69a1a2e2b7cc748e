"""From demo logs to lists that are served, by the commands that people call."""

import json
import subprocess
import sys
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from shared.recommender.artifact import open_artifact
from shared.recommender.catalogue import CatalogueError, read_catalogue
from shared.recommender.fallback import Reason, recommend
from shared.recommender.interactions import read_interactions
from shared.recommender.manifest import MANIFEST
from step3_microservices.recommender import clean, demo
from step3_microservices.recommender.artifact_stores import ArtifactStore
from step3_microservices.recommender.train import REFUSED, UNUSABLE, main
from tests.conftest import ROOT
from tests.model.recommended import written

QUICK = ("--factors=32", "--iterations=8")


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """Logs and interactions of a small demo world."""
    folder = tmp_path_factory.mktemp("data")
    size = ("--users=4000", "--items=400", "--days=40", "--seed=3")
    assert demo.main([*size, f"--output={folder / 'logs'}"]) == 0
    assert clean.main([str(folder / "logs"), str(folder / "interactions")]) == 0
    return folder


def options(data, tmp_path, *more):
    places = (f"--artifacts={tmp_path / 'artifacts'}", f"--report={tmp_path / 'report'}")
    catalogue = f"--catalogue={data / 'logs' / 'catalogue.parquet'}"
    return [str(data / "interactions"), catalogue, *places, *QUICK, *more]


@pytest.fixture(scope="module")
def trained(data, tmp_path_factory) -> Path:
    """Where a training left what it makes."""
    folder = tmp_path_factory.mktemp("trained")
    assert main(options(data, folder, f"--truth={data / 'logs'}")) == 0
    return folder


@pytest.fixture
def artifact(trained):
    store = ArtifactStore(str(trained / "artifacts"))
    opened = open_artifact(store.fetch(store.current(), trained))
    yield opened
    opened.close()


def test_every_user_has_a_list_of_what_their_country_offers_and_they_lack(data, artifact):
    catalogue = read_catalogue(data / "logs" / "catalogue.parquet")
    read = read_interactions(data / "interactions", catalogue.item_ids)

    for user, user_id in enumerate(read.user_ids[:500]):
        its = artifact.lists.get(user_id)
        assert not {*its} & {*read.taken[user].indices.tolist()}
        assert read.available[read.user_countries[user], list(its)].all()
    assert artifact.manifest.users == len(read.user_ids)
    assert artifact.items == tuple(catalogue.items)


def test_strangers_get_their_countrys_list_and_others_that_of_all(artifact):
    in_germany = recommend(artifact, "nobody", "DE", 20)
    somewhere = recommend(artifact, None, "AQ", 20)

    assert [its.reason for its in in_germany] == [Reason.COUNTRY_TOP] * 20
    assert [its.reason for its in somewhere] == [Reason.GLOBAL_TOP] * 20


def test_the_artifact_tells_how_good_it_is(artifact):
    card = artifact.manifest.card
    models = card["evaluation"]["models"]

    assert models["collaborative"]["known"]["ndcg_at_10"] > models["country_popularity"]["known"]["ndcg_at_10"]
    assert artifact.manifest.trained_until == card["facts"]["days"].split()[-1]
    assert {finding["kept"] for finding in card["gate"]} == {True}


def test_the_report_is_for_people_and_programs(trained):
    report = trained / "report"

    figures = json.loads((report / "report.json").read_text())
    card = (report / "model_card.md").read_text()

    assert {"popularity", "country_popularity", "collaborative", "oracle"} <= figures["evaluation"]["models"].keys()
    assert "Release gate: released" in card
    for name in ("models", "activity", "countries"):
        assert f"]({name}.svg)" in card
        assert (report / f"{name}.svg").read_text().rstrip().endswith("</svg>")
        assert (report / f"{name}.png").read_bytes().startswith(b"\x89PNG")


def test_training_on_the_same_days_again_gives_lists_of_the_same_quality(data, trained, tmp_path):
    assert main(options(data, tmp_path)) == 0

    one, other = (
        json.loads((folder / "report" / "report.json").read_text())["evaluation"]["models"]["collaborative"]["known"]
        for folder in (trained, tmp_path)
    )
    assert one["ndcg_at_10"] == pytest.approx(other["ndcg_at_10"], abs=0.02)


@pytest.fixture
def store_of_two(tmp_path):
    """A store of two versions, made before any training here."""
    store = ArtifactStore(str(tmp_path / "artifacts"))
    versions = [written(tmp_path / "artifacts", trained_until=date(2026, 1, day)).version for day in (1, 2)]
    for day, version in enumerate(versions, 1):
        manifest = tmp_path / "artifacts" / version / MANIFEST
        made = {"created": f"2026-01-{day:02}T12:00:00+00:00"}
        manifest.write_text(json.dumps(json.loads(manifest.read_text()) | made))
    store.set_current(versions[1])
    return store


def test_training_removes_versions_that_are_old(data, store_of_two, tmp_path, capsys):
    oldest, before = (manifest.version for manifest in store_of_two.versions())

    assert main(options(data, tmp_path, "--keep=1")) == 0

    assert [manifest.version for manifest in store_of_two.versions()] == [before, store_of_two.current()]
    assert f"removed {oldest}" in capsys.readouterr().err


def test_an_old_version_that_cannot_be_removed_is_told_and_the_new_one_served(data, store_of_two, tmp_path, capsys):
    oldest, before = (manifest.version for manifest in store_of_two.versions())
    folder = tmp_path / "artifacts" / oldest
    folder.rename(tmp_path / "elsewhere")
    folder.symlink_to(tmp_path / "elsewhere")

    assert main(options(data, tmp_path, "--keep=1")) == 0

    assert "Old versions cannot be removed." in capsys.readouterr().err
    assert store_of_two.current() not in {oldest, before}


def test_a_bad_model_is_refused_told_about_and_not_served(data, tmp_path, capsys):
    code = main(options(data, tmp_path, "--iterations=1", "--factors=1", "--trend=-1"))

    assert code == REFUSED
    assert "better than popularity in the country" in capsys.readouterr().err
    assert ArtifactStore(str(tmp_path / "artifacts")).current() is None
    assert "Release gate: refused" in (tmp_path / "report" / "model_card.md").read_text()


def test_what_cannot_be_trained_on_ends_with_a_reason(data, tmp_path, capsys):
    given = options(data, tmp_path)

    codes = [
        main([str(tmp_path), *given[1:]]),
        main([given[0], f"--catalogue={tmp_path / 'nothing.parquet'}", *given[2:]]),
        main([*given, "--cut=2020-01-01"]),
        main([*given, f"--truth={tmp_path}"]),
    ]

    told = capsys.readouterr().err
    assert codes == [UNUSABLE] * 4
    for words in ("has no day of interactions", "nothing.parquet cannot be read", "does not part", "truth"):
        assert words in told


def test_the_command_ends_without_a_stack_trace(tmp_path):
    command = [sys.executable, "-m", "step3_microservices.recommender.train", str(tmp_path), "--catalogue", "none"]

    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert run.returncode == UNUSABLE
    assert "Traceback" not in run.stderr
    assert "none cannot be read" in run.stderr


@pytest.mark.parametrize(
    "rows",
    [[], [("a", "A", "x", "🎲"), ("a", "B", "x", "🎲")], [("a", None, "x", "🎲")]],
    ids=["empty", "one twice", "one without a title"],
)
def test_a_catalogue_that_names_no_items_is_refused(tmp_path, rows):
    names = ("item_id", "title", "category", "icon")
    columns = {name: pa.array([row[place] for row in rows], pa.string()) for place, name in enumerate(names)}
    released = pa.array([date(2026, 1, 1)] * len(rows), pa.date32())
    pq.write_table(pa.table({**columns, "released": released}), tmp_path / "catalogue.parquet")

    with pytest.raises(CatalogueError, match=r"catalogue\.parquet"):
        read_catalogue(tmp_path / "catalogue.parquet")
