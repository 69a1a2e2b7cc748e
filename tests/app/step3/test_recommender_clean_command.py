"""The commands that write demo logs and clean logs, as somebody runs them."""

import json
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from step3_microservices.recommender.clean import main as clean
from step3_microservices.recommender.demo import main as demo
from tests.app.serving import ROOT
from tests.model.recommender_spark import what_spark_lacks

LACKING = what_spark_lacks()
needs_spark = pytest.mark.skipif(bool(LACKING), reason=LACKING)
with_pandas_3 = pytest.mark.filterwarnings("ignore:PySpark does not yet fully support pandas:FutureWarning")
ON_SPARK = ("--engine", "spark", "--master", "local[2]", "--set", "spark.ui.enabled=false")
FEW_PARTS = ("--set", "spark.sql.shuffle.partitions=2")


def demo_logs(folder: Path, *options: str) -> Path:
    assert demo(["--users", "300", "--items", "200", "--days", "3", "--output", str(folder), *options]) == 0
    return folder


@pytest.mark.parametrize("form", ["parquet", "jsonl"])
def test_demo_logs_become_interactions_and_a_report(tmp_path: Path, capfd: pytest.CaptureFixture[str], form: str):
    logs = demo_logs(tmp_path / "logs", "--format", form)

    assert clean([str(logs), f"{tmp_path / 'output'}/"]) == 0

    total = json.loads((tmp_path / "output" / "report.json").read_text())["total"]
    files = (tmp_path / "output" / "interactions").glob("day=*/pairs.parquet")
    assert sum(pq.read_metadata(file).num_rows for file in files) == total["pairs"] > 1_000
    told = capfd.readouterr().out
    assert f"{total['rows_in']:,}" in told
    assert "3 days cleaned" in told
    assert sorted(path.name for path in (tmp_path / "output").iterdir()) == ["interactions", "rejected", "report.json"]


def test_a_second_run_finds_nothing_to_do_and_a_new_day_is_all_that_the_third_does(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
):
    logs = demo_logs(tmp_path / "logs")
    assert clean([str(logs), str(tmp_path), "--days", ":2026-09-02"]) == 0

    assert clean([str(logs), str(tmp_path), "--days", ":2026-09-02"]) == 0
    assert clean([str(logs), str(tmp_path)]) == 0

    told = [line for line in capfd.readouterr().out.splitlines() if "days cleaned" in line]
    assert [line.split()[0] for line in told] == ["2", "0", "1"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere", "output"], "There is no folder nowhere"),
        ([".", "output"], "holds no logs"),
        ([".", "output", "--memory-limit", "lots"], "memory"),
    ],
)
def test_what_cannot_work_ends_with_a_message(
    tmp_path: Path, arguments: list[str], words: str, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)

    assert clean(arguments) == 2

    assert words in capfd.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_an_output_that_is_a_file_ends_with_a_message(tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    logs = demo_logs(tmp_path / "logs")
    (tmp_path / "file").write_text("?")

    assert clean([str(logs), str(tmp_path / "file")]) == 2

    assert "cannot be written to" in capfd.readouterr().err


def test_a_day_that_is_none_is_refused_with_the_usage(capfd: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as ending:
        clean(["logs", "output", "--days", "yesterday"])

    assert ending.value.code == 2
    assert "--days" in capfd.readouterr().err


@pytest.mark.parametrize("option", [("--users", "0"), ("--items", "1"), ("--days", "-3"), ("--first-day", "soon")])
def test_demo_logs_that_cannot_be_made_end_with_a_message(
    tmp_path: Path, option: tuple[str, str], capfd: pytest.CaptureFixture[str]
):
    assert demo([*option, "--output", str(tmp_path / "logs")]) == 2

    assert f"{option[0]} {option[1]} cannot be used" in capfd.readouterr().err


def test_spark_that_is_not_there_ends_with_a_message(tmp_path: Path):
    logs = demo_logs(tmp_path / "logs")
    without = "import sys; sys.modules['pyspark'] = None; from step3_microservices.recommender.clean import main;"
    command = [sys.executable, "-c", f"{without} sys.exit(main())", str(logs), str(tmp_path), "--engine", "spark"]

    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert ended.returncode == 2
    assert "requirements-spark.txt" in ended.stderr
    assert "Traceback" not in ended.stderr


@needs_spark
@with_pandas_3
def test_on_spark_a_path_goes_to_its_file_system_as_it_was_written(tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    logs = demo_logs(tmp_path / "logs")

    assert clean([f"file://{logs}", f"file://{tmp_path}/spark/", *ON_SPARK, *FEW_PARTS]) == 0
    assert clean([str(logs), str(tmp_path / "duckdb")]) == 0

    told = capfd.readouterr().out
    assert f"3 days cleaned into file://{tmp_path}/spark." in told
    one, other = (tmp_path / engine / "report.json" for engine in ("spark", "duckdb"))
    assert json.loads(one.read_text()) == json.loads(other.read_text())
    assert not Path("file:").exists()


@needs_spark
@with_pandas_3
@pytest.mark.parametrize("scheme", ["s3a", "gs", "hdfs"])
def test_a_file_system_that_spark_cannot_reach_is_told_in_a_sentence(scheme: str, capfd: pytest.CaptureFixture[str]):
    """Without the jars for it, or without a host that answers."""
    place = f"{scheme}://nobody.invalid/logs"

    assert clean([place, f"{place}-cleaned", *ON_SPARK]) == 2

    told = [line for line in capfd.readouterr().err.splitlines() if "Spark cannot go on" in line]
    assert len(told) == 1
    assert {"s3a": "S3AFileSystem", "gs": "GoogleHadoopFileSystem", "hdfs": "nobody.invalid"}[scheme] in told[0]


@pytest.mark.parametrize("setting", ["spark.jars.packages", "packages=x", ""])
def test_a_setting_that_is_none_of_sparks_is_refused_with_the_usage(setting: str, capfd: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as ending:
        clean(["logs", "output", "--engine", "spark", "--set", setting])

    assert ending.value.code == 2
    assert "--set" in capfd.readouterr().err
