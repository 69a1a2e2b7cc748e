"""The commands that run a job where there is no boto3 for it: Dataproc, Kubernetes, and this machine."""

import os
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from step5_orchestration.deploy.errors import DeployError
from step5_orchestration.deploy.spark.arguments import (
    archive_at,
    entry_at,
    on_yarn,
    programs,
    settings,
    spark_submit,
)
from step5_orchestration.deploy.spark.parameters import Dataproc, Kubernetes, Local, Parameters
from step5_orchestration.deploy.spark.source import Source

# Where `spark/Dockerfile` has put the programs.
IN_CONTAINER = "local:///app/step5_orchestration/deploy/spark/entry.py"
_INSTALL = {
    "gcloud": "Install Google Cloud's command line, and log in: gcloud auth login.",
    "spark-submit": "Install Spark: step3_microservices/recommender/requirements-spark.txt, and Java 17.",
}


class CommandError(DeployError):
    """A command that was to run the job is not there, or failed."""

    code = "command_failed"


@dataclass(frozen=True)
class Command:
    """A command line, and what it needs in its environment."""

    arguments: Sequence[str]
    variables: Mapping[str, str] = field(default_factory=dict)
    unless: Sequence[str] = ()
    """It is not needed where this other command succeeds."""

    def __str__(self) -> str:
        """Return it as one would type it."""
        variables = [f"{name}={shlex.quote(value)}" for name, value in self.variables.items()]
        unless = [shlex.join(self.unless), "||"] if self.unless else []
        return " ".join([*unless, *variables, shlex.join(self.arguments)])

    def run(self) -> None:
        """Run it, and show what it prints. Raises CommandError."""
        if self.unless and _exit_code(self.unless, {}, quiet=True) == 0:
            return
        if code := _exit_code(self.arguments, self.variables):
            raise CommandError(f"{self.arguments[0]} ended with {code}.", "What it printed above says why.")


def dataproc(parameters: Parameters, source: Source, to: Dataproc) -> list[Command]:
    """Return the commands: a cluster, where there is none yet, and the job."""
    job = parameters.job
    place = [f"--project={to.project}", f"--region={to.region}"]
    cluster = ["gcloud", "dataproc", "clusters"]
    make = [
        *(*cluster, "create", to.cluster, *place, f"--image-version={to.image}", f"--labels=owner={job.owner}"),
        *(f"--service-account={to.service_account}", "--scopes=cloud-platform", f"--max-idle={to.max_idle}"),
        *(f"--num-workers={to.workers}", f"--worker-machine-type={to.worker_type}"),
    ]
    properties = ";".join(f"{key}={value}" for key, value in {**on_yarn(parameters), **parameters.spark}.items())
    submit = [
        *("gcloud", "dataproc", "jobs", "submit", "pyspark", entry_at(job, source), *place),
        *(f"--cluster={to.cluster}", f"--labels=owner={job.owner}", f"--py-files={archive_at(job, source)}"),
        *(f"--properties=^;^{properties}", "--", *programs(parameters)),
    ]
    return [Command(make, unless=[*cluster, "describe", to.cluster, *place]), Command(submit)]


def kubernetes(parameters: Parameters, to: Kubernetes) -> list[Command]:
    """Return the command: driver and executors are Pods of one container image, which has the programs in it."""
    own = {
        "spark.kubernetes.namespace": to.namespace,
        "spark.kubernetes.container.image": to.container_image,
        "spark.kubernetes.authenticate.driver.serviceAccountName": to.service_account,
        "spark.kubernetes.driver.label.owner": parameters.job.owner,
    }
    options = ["--master", to.master, "--deploy-mode", "cluster", "--name", parameters.job.name]
    options += settings(parameters, own)
    return [Command(["spark-submit", *options, IN_CONTAINER, *programs(parameters)])]


def local(parameters: Parameters, source: Source, to: Local) -> list[Command]:
    """Return the command for this machine: with Spark, or without where the driver cleans alone."""
    job = parameters.job
    if job.engine == "spark" or job.factorise == "cluster":
        options = ["--master", to.master, *settings(parameters, {})]
        return [Command(spark_submit(parameters, source, options), {"PYSPARK_PYTHON": sys.executable})]
    arguments = [sys.executable, entry_at(job, source), *programs(parameters)]
    return [Command(arguments, {"PYTHONPATH": archive_at(job, source)})]


def _exit_code(arguments: Sequence[str], variables: Mapping[str, str], *, quiet: bool = False) -> int:
    # What pip has installed lies beside this Python, whether or not its environment is active.
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    output = subprocess.DEVNULL if quiet else None
    try:
        environment = {**os.environ, "PATH": path, **variables}
        return subprocess.run(arguments, env=environment, stdout=output, stderr=output, check=False).returncode
    except FileNotFoundError as error:
        raise CommandError(f"{arguments[0]} is not installed.", _INSTALL.get(arguments[0], "Install it.")) from error
