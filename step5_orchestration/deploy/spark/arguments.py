"""The command line of a job: the same programs with the same arguments on every platform."""

from collections.abc import Mapping, Sequence

from step5_orchestration.deploy.spark.entry import CLUSTER, IN, NEXT, OUT
from step5_orchestration.deploy.spark.parameters import Job, Parameters
from step5_orchestration.deploy.spark.source import Source

UNPACKED = "environment"  # the folder that Spark unpacks the packages into
PYTHON = f"./{UNPACKED}/bin/python"


def programs(parameters: Parameters) -> list[str]:
    """Return what the entry is told: clean, then train."""
    job = parameters.job
    clean = ["clean", job.at(job.logs), job.at(job.cleaned), "--engine", job.engine]
    if job.engine == "spark":
        clean += ["--master", CLUSTER]
    if job.days:
        clean += ["--days", job.days]
    train = ["train", f"{IN}{job.at(job.cleaned)}/interactions", "--catalogue", IN + job.at(job.catalogue)]
    artifacts = job.at(job.artifacts)  # training speaks to S3 by itself, and removes what is old there
    train += ["--artifacts", artifacts if artifacts.startswith("s3://") else OUT + artifacts]
    train += ["--report", OUT + job.at(job.report)]
    if job.factorise == "cluster":
        train += ["--master", CLUSTER]
    for name, value in parameters.training.items():
        train += [f"--{name.replace('_', '-')}", str(value)]
    return [*clean, NEXT, *train]


def uploads(job: Job, source: Source) -> dict[str, bytes]:
    """Return what has to lie where before the job starts."""
    return {entry_at(job, source): source.entry, archive_at(job, source): source.archive}


def entry_at(job: Job, source: Source) -> str:
    """Return the address of the file that starts the programs."""
    return f"{job.at(job.code)}/{source.entry_name}"


def archive_at(job: Job, source: Source) -> str:
    """Return the address of the programs."""
    return f"{job.at(job.code)}/{source.archive_name}"


def environment_at(job: Job) -> str:
    """Return the address of the packed packages, with the folder that they are unpacked into; "" for none."""
    return f"{job.at(job.environment)}#{UNPACKED}" if job.environment else ""


def settings(parameters: Parameters, more: Mapping[str, str]) -> list[str]:
    """Return Spark's settings as options of spark-submit; the file's win."""
    return [part for key, value in {**more, **parameters.spark}.items() for part in ("--conf", f"{key}={value}")]


def on_yarn(parameters: Parameters) -> dict[str, str]:
    """Return the settings for a driver that runs in the cluster, with the packages that were packed for it."""
    at = environment_at(parameters.job)
    packages = {"spark.yarn.dist.archives": at, "spark.yarn.appMasterEnv.PYSPARK_PYTHON": PYTHON} if at else {}
    return {"spark.submit.deployMode": "cluster", **packages}


def spark_submit(parameters: Parameters, source: Source, options: Sequence[str]) -> list[str]:
    """Return a whole command line of spark-submit."""
    job = parameters.job
    files = ["--name", job.name, "--py-files", archive_at(job, source), entry_at(job, source)]
    return ["spark-submit", *options, *files, *programs(parameters)]
