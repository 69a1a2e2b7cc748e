"""What a job of Spark asks of each cluster, held against what the clusters' own clients accept."""

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from botocore.client import BaseClient
from botocore.exceptions import ClientError
from moto import mock_aws

from step5_orchestration.deploy.__main__ import main
from step5_orchestration.deploy.spark.arguments import programs
from step5_orchestration.deploy.spark.parameters import PARAMETERS, PLATFORMS, SparkParametersError, read_parameters
from tests.repo.checkout import ROOT

BUCKET, APPLICATION = "recommender-bucket", "00f0abcdefgh1234"

per_platform = pytest.mark.parametrize("on", PLATFORMS)


@pytest.fixture
def parameters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file that the repository brings, with somebody's own names in it."""
    monkeypatch.chdir(ROOT)
    text = PARAMETERS.read_text().replace("YOUR-BUCKET", BUCKET).replace("YOUR-APPLICATION-ID", APPLICATION)
    file = tmp_path / "parameters.toml"
    file.write_text(text.replace("YOUR-SUBNET-ID", "subnet-0a1b2c3d").replace("YOUR-", "our-").lower())
    return file


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    with mock_aws():
        place = {"LocationConstraint": "eu-central-1"}
        boto3.client("s3", region_name="eu-central-1").create_bucket(Bucket=BUCKET, CreateBucketConfiguration=place)
        yield


def keys_in_bucket() -> list[str]:
    listed = boto3.client("s3", region_name="eu-central-1").list_objects_v2(Bucket=BUCKET)
    return [entry["Key"] for entry in listed["Contents"]]


@per_platform
def test_every_cluster_is_told_to_run_the_very_same_programs(on: str, parameters: Path, capsys):
    asked = read_parameters(parameters, on)

    assert main(["spark", "plan", "--on", on, "--parameters", str(parameters)]) == 0

    planned = " ".join(shlex.split(capsys.readouterr().out.replace('",', " ").replace('"', " "), comments=True))
    assert " ".join(programs(asked)) in planned
    assert [word for word in programs(asked) if "://" not in word and "/" not in word] == [
        *("clean", "--engine", asked.job.engine, *(["--master", "@cluster"] if asked.job.engine == "spark" else [])),
        *("+", "train", "--catalogue", "--artifacts", "--report"),
    ]


def test_emr_gets_a_cluster_that_runs_the_job_and_ends_with_it(parameters: Path, aws, capsys):
    assert main(["spark", "submit", "--on", "emr", "--parameters", str(parameters)]) == 0

    told = capsys.readouterr().out
    emr = boto3.client("emr", region_name="eu-central-1")
    (cluster,) = emr.list_clusters()["Clusters"]
    described = emr.describe_cluster(ClusterId=cluster["Id"])["Cluster"]
    (step,) = emr.list_steps(ClusterId=cluster["Id"])["Steps"]
    arguments = step["Config"]["Args"]
    assert cluster["Id"] in told.splitlines()[-1]
    assert described["AutoTerminate"] is True
    assert {tag["Key"]: tag["Value"] for tag in described["Tags"]} == {
        "owner": "our-team",
        "for-use-with-amazon-emr-managed-policies": "true",
    }
    assert step["ActionOnFailure"] == "TERMINATE_CLUSTER"
    for file in (argument for argument in arguments if "/code/" in argument):
        assert file.removeprefix(f"s3://{BUCKET}/") in keys_in_bucket(), "the job would start without its program"


def test_who_submits_may_hand_over_the_roles_that_the_parameters_name():
    statements = json.loads((ROOT / "step5_orchestration/spark/iam/submit.json").read_text())["Statement"]
    (passed,) = (one["Resource"] for one in statements if one["Action"] == ["iam:PassRole"])
    emr, serverless = (read_parameters(ROOT / PARAMETERS, on).platform for on in ("emr", "emr-serverless"))

    named = {emr.service_role, emr.instance_profile, serverless.role.rpartition("/")[2].removeprefix("YOUR-")}
    assert {role.rpartition("/")[2] for role in passed} == named


def test_emr_serverless_gets_a_run_of_the_application(parameters: Path, aws, capsys):
    serverless = boto3.client("emr-serverless", region_name="eu-central-1")
    made = serverless.create_application(name="recommender", releaseLabel="emr-7.0.0", type="SPARK")  # moto knows no 8
    parameters.write_text(parameters.read_text().replace(APPLICATION, made["applicationId"]))

    code = main(["spark", "submit", "--on", "emr-serverless", "--parameters", str(parameters)])

    (run,) = serverless.list_job_runs(applicationId=made["applicationId"])["jobRuns"]
    driver = serverless.get_job_run(applicationId=made["applicationId"], jobRunId=run["id"])["jobRun"]["jobDriver"]
    submitted = driver["sparkSubmit"]
    settings = shlex.split(submitted["sparkSubmitParameters"])
    assert code == 0
    assert run["id"] in capsys.readouterr().out
    assert submitted["entryPoint"].removeprefix(f"s3://{BUCKET}/") in keys_in_bucket()
    assert "spark.archives=s3://recommender-bucket/environment.tar.gz#environment" in settings
    assert "spark.emr-serverless.driverEnv.PYSPARK_DRIVER_PYTHON=./environment/bin/python" in settings


def test_the_file_that_the_repository_brings_can_be_planned_and_not_be_sent(monkeypatch, capsys):
    monkeypatch.chdir(ROOT)

    planned, sent = (main(["spark", verb, "--on", "emr"]) for verb in ("plan", "submit"))

    assert (planned, sent) == (0, 2)
    assert "YOUR-BUCKET" in capsys.readouterr().err


def test_what_a_bucket_refuses_is_told_without_a_stack_trace(parameters: Path, aws, capsys):
    parameters.write_text(parameters.read_text().replace(BUCKET, "somebody-elses-bucket"))

    code = main(["spark", "submit", "--on", "emr", "--parameters", str(parameters)])

    assert code == 2
    assert "NoSuchBucket" in capsys.readouterr().err


def test_what_iam_refuses_leads_to_the_policy_of_spark(parameters: Path, aws, monkeypatch, capsys):
    def refuse(_: BaseClient, operation: str, __: object) -> None:
        raise ClientError({"Error": {"Code": "AccessDenied", "Message": "Access Denied"}}, operation)

    monkeypatch.setattr(BaseClient, "_make_api_call", refuse)

    code = main(["spark", "submit", "--on", "emr", "--parameters", str(parameters)])

    assert code == 2
    assert "AWS refuses s3:PutObject" in (told := capsys.readouterr().err)
    assert "step5_orchestration/spark/iam/submit.json" in told


def test_a_cluster_of_dataproc_is_made_only_where_there_is_none(parameters: Path, tmp_path, monkeypatch, capfd):
    # A gcloud that knows no cluster at first, and writes down what it is asked.
    gcloud = tmp_path / "gcloud"
    asked = tmp_path / "asked"
    gcloud.write_text(f"""#!/bin/sh
        echo "$@" >> {asked}
        case "$3" in describe) test -e {tmp_path}/made;; create) touch {tmp_path}/made;; esac
    """)
    gcloud.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")

    for _ in range(2):
        assert main(["spark", "submit", "--on", "dataproc", "--parameters", str(parameters)]) == 0

    lines = asked.read_text().splitlines()
    verbs = [" ".join(line.split()[1:3]) for line in lines if line.startswith("dataproc")]
    assert verbs == ["clusters describe", "clusters create", "jobs submit", "clusters describe", "jobs submit"]
    assert len([line for line in lines if line.startswith("storage cp")]) == 4
    assert "--max-idle=30m" in lines[3], "a cluster that is forgotten must remove itself"


def test_a_missing_gcloud_is_named_with_what_to_do(parameters: Path, monkeypatch, capsys):
    monkeypatch.setenv("PATH", "")

    code = main(["spark", "submit", "--on", "dataproc", "--parameters", str(parameters)])

    assert code == 2
    assert "gcloud is not installed" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("on", "begins"), [("emr", "s3://"), ("dataproc", "@out:gs://"), ("kubernetes", "@out:s3a://")]
)
def test_training_publishes_to_s3_by_itself_and_has_its_lists_copied_to_where_it_cannot(on, begins, parameters: Path):
    asked = programs(read_parameters(parameters, on))

    assert asked[asked.index("--artifacts") + 1].startswith(begins)


def test_a_setting_of_spark_for_one_platform_wins_there_alone(parameters: Path):
    parameters.write_text(parameters.read_text() + '\n[emr.spark]\n"spark.executor.memory" = "40g"\n')

    assert read_parameters(parameters, "emr").spark["spark.executor.memory"] == "40g"
    assert read_parameters(parameters, "dataproc").spark["spark.executor.memory"] == "12g"


@pytest.mark.parametrize(
    ("right", "wrong", "named"),
    [
        ('name = "recommender"', 'nmae = "recommender"', "job.nmae is not known. It can be: artifacts, bucket,"),
        ("[emr]", "[erm]", "erm is not known"),
        ("core_count = 4", 'core_count = "4"', "emr.core_count is '4', which is no int"),
        ('engine = "spark"', 'engine = "pandas"', "job.engine = pandas is not known"),
        ('release = "emr', '# release = "emr', "emr.release is missing"),
        ("[job]", "[job", "cannot be read"),
    ],
)
def test_a_mistake_in_the_parameters_is_named(right: str, wrong: str, named: str, parameters: Path):
    parameters.write_text(parameters.read_text().replace(right, wrong))

    with pytest.raises(SparkParametersError, match=re.escape(named)):
        read_parameters(parameters, "emr")
