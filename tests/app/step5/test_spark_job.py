"""The job that a cluster gets, run on this machine: the same parameters, the same files, the same command line."""

import io
import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from shared.recommender.spark import spark_session
from step5_orchestration.deploy.__main__ import main
from step5_orchestration.deploy.spark.parameters import PARAMETERS
from step5_orchestration.deploy.spark.source import read_source
from tests.model.recommender_spark import what_spark_lacks
from tests.repo.checkout import ROOT

LAST_DAYS = ("2026-09-13", "2026-09-14")
# For seconds of work Java's best compiler takes longer than it saves.
QUICK_JAVA = """
"spark.driver.extraJavaOptions" = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
"spark.ui.enabled" = "false"
"""


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bucket") / "logs"
    size = ["--users", "2000", "--items", "500", "--days", "14"]
    command = [sys.executable, "-m", "step3_microservices.recommender.demo", *size, "--output", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return folder


def parameters(folder: Path, bucket: str, **job: str) -> Path:
    """Return a copy of the repository's parameters for this machine, with another bucket and some values changed."""
    text = (ROOT / PARAMETERS).read_text()
    before, local = text.split("[local.job]\n")
    table = {"owner": "me", "bucket": bucket, "code": str(folder / "code"), "environment": ""} | job
    lines = "".join(f"{name} = {json.dumps(value)}\n" for name, value in table.items())
    file = folder / "parameters.toml"
    file.write_text(f"{before}[local.job]\n{lines}\n{local[local.index('[local.spark]') :]}")
    return file


def test_the_job_as_a_file_and_an_archive_cleans_trains_and_publishes(logs: Path, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(ROOT)
    bucket = logs.parent
    file = parameters(tmp_path, str(bucket), engine="duckdb")

    code = main(["spark", "submit", "--on", "local", "--parameters", str(file)])

    told = capfd.readouterr()
    assert code == 0, told.err
    assert (bucket / "artifacts" / "CURRENT").read_text().strip() in told.out
    assert (bucket / "cleaned" / "report.json").is_file()
    assert (bucket / "report" / "model_card.md").is_file()


def test_spark_cleans_and_factorises_in_one_session_between_addresses(logs: Path, tmp_path, monkeypatch, capfd):
    if lack := what_spark_lacks():
        pytest.skip(lack)
    monkeypatch.chdir(ROOT)
    bucket = tmp_path / "bucket"
    bucket.mkdir()
    (bucket / "logs").symlink_to(logs)
    file = parameters(
        tmp_path, f"file://{bucket}", engine="spark", factorise="cluster", days=f"{LAST_DAYS[0]}:{LAST_DAYS[1]}"
    )
    quick = f'[training]\ncut = "{LAST_DAYS[1]}"\niterations = 1\nfactors = 4\n'
    file.write_text(re.sub(r"\[training\].*\n", quick, file.read_text()) + QUICK_JAVA)

    code = main(["spark", "submit", "--on", "local", "--parameters", str(file)])

    told = capfd.readouterr()
    report = json.loads((bucket / "report" / "report.json").read_text())
    assert code == 2, "a model of two days is refused, and that has to fail the job"
    assert "Not released" in told.out  # spark-submit makes one of what its program prints
    assert sorted(path.name[-10:] for path in (bucket / "cleaned/interactions").glob("day=*")) == [*LAST_DAYS]
    assert report["facts"]["rows"] > 0
    assert not (bucket / "artifacts").exists()


def test_programs_use_the_session_of_their_job_and_leave_it_to_the_next_one():
    if lack := what_spark_lacks():
        pytest.skip(lack)

    with spark_session("local[1]", "job", {"spark.ui.enabled": "false"}) as of_the_job:
        with spark_session("local[1]", "program", {"spark.sql.shuffle.partitions": "2"}) as of_a_program:
            pass
        setting = of_the_job.conf.get("spark.sql.shuffle.partitions")

    assert of_a_program is of_the_job
    assert setting == "2"
    assert of_the_job.getActiveSession() is None, "whoever has started it stops it"


def test_a_program_that_fails_ends_the_job_with_its_code_and_the_next_is_not_begun(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(ROOT)
    file = parameters(tmp_path, str(tmp_path / "empty"), engine="duckdb")

    code = main(["spark", "submit", "--on", "local", "--parameters", str(file)])

    told = capfd.readouterr()
    assert code == 2
    assert "There is no folder" in told.err
    assert "==> train" not in told.out
    assert "Traceback" not in told.err


def test_the_same_source_is_the_same_archive_under_the_same_name():
    first, second = read_source(ROOT), read_source(ROOT)

    assert first == second
    assert first.archive_name == second.archive_name


def test_the_archive_holds_every_module_and_nothing_else():
    names = zipfile.ZipFile(io.BytesIO(read_source(ROOT).archive)).namelist()
    modules = [
        path.relative_to(ROOT) for folder in ("shared", "step3_microservices") for path in (ROOT / folder).rglob("*.py")
    ]

    assert sorted(names) == sorted(path.as_posix() for path in modules)


@pytest.mark.parametrize("program", ["clean", "train"])
def test_each_program_runs_from_the_archive_alone(program: str, tmp_path: Path):
    archive = tmp_path / "recommender.zip"
    archive.write_bytes(read_source(ROOT).archive)
    command = [sys.executable, "-m", f"step3_microservices.recommender.{program}", "--help"]

    run = subprocess.run(
        command, cwd=tmp_path, env={"PYTHONPATH": str(archive)}, capture_output=True, text=True, check=False
    )

    assert run.returncode == 0, run.stderr
    assert f"recommender.{program}" in run.stdout
