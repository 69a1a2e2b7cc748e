"""What is cleaned and trained, and on what: one file for every cluster (`spark/parameters.toml`), read and checked."""

import re
import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

from step5_orchestration.deploy.errors import DeployError

PARAMETERS = Path("step5_orchestration/spark/parameters.toml")
_PLACEHOLDER = re.compile(r"YOUR-[A-Z-]+")
_ENGINES, _FACTORISERS = ("spark", "duckdb"), ("driver", "cluster")


class SparkParametersError(DeployError):
    """The parameter file cannot be read, or says what cannot be."""

    code = "spark_parameters_invalid"


@dataclass(frozen=True)
class Job:
    """What is read and written; a place without a scheme of its own lies in the bucket."""

    name: str
    owner: str
    bucket: str
    logs: str
    catalogue: str
    cleaned: str
    artifacts: str
    report: str
    code: str
    environment: str = ""
    days: str = ""
    engine: str = "spark"
    factorise: str = "driver"

    def at(self, place: str) -> str:
        """Return the address of a place."""
        return place if "://" in place or place.startswith("/") else f"{self.bucket.rstrip('/')}/{place}"


@dataclass(frozen=True)
class Emr:
    """A cluster of EMR on EC2 that is made for a job and ends with it."""

    region: str
    release: str
    service_role: str
    instance_profile: str
    subnet: str
    primary_type: str
    core_type: str
    core_count: int


@dataclass(frozen=True)
class EmrServerless:
    """An application of EMR Serverless."""

    region: str
    application: str
    role: str
    timeout_minutes: int


@dataclass(frozen=True)
class Dataproc:
    """A cluster of Dataproc that removes itself once it is idle."""

    project: str
    region: str
    cluster: str
    image: str
    service_account: str
    worker_type: str
    workers: int
    max_idle: str


@dataclass(frozen=True)
class Kubernetes:
    """Any cluster of Kubernetes."""

    master: str
    namespace: str
    service_account: str
    container_image: str


@dataclass(frozen=True)
class Local:
    """This machine."""

    master: str


Platform = Emr | EmrServerless | Dataproc | Kubernetes | Local
PLATFORMS: Mapping[str, type[Platform]] = {
    "emr": Emr,
    "emr-serverless": EmrServerless,
    "dataproc": Dataproc,
    "kubernetes": Kubernetes,
    "local": Local,
}
Filled = TypeVar("Filled")


@dataclass(frozen=True)
class Parameters:
    """All of it, for one platform."""

    job: Job
    training: Mapping[str, Any]
    spark: Mapping[str, str]
    platform: Platform


def read_parameters(path: Path, on: str) -> Parameters:
    """Read what the file says for that platform. Raises SparkParametersError."""
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SparkParametersError(
            f"{path} cannot be read: {error}.", f"Copy {PARAMETERS}, and name the copy: --parameters FILE."
        ) from error
    _refuse_others("", tables, {"job", "training", "spark", *PLATFORMS})
    own = dict(tables.get(on, {}))
    job = tables.get("job", {}) | own.pop("job", {})
    spark = tables.get("spark", {}) | own.pop("spark", {})
    parameters = Parameters(
        _filled(Job, "job", job), tables.get("training", {}), spark, _filled(PLATFORMS[on], on, own)
    )
    _refuse_others("job.engine = ", [parameters.job.engine], _ENGINES)
    _refuse_others("job.factorise = ", [parameters.job.factorise], _FACTORISERS)
    return parameters


def refuse_placeholders(parameters: Parameters) -> None:
    """Raise SparkParametersError where something is still to be replaced."""
    if left := sorted({*_PLACEHOLDER.findall(str(parameters))}):
        raise SparkParametersError(
            f"The parameters still say {', '.join(left)}.",
            f"Replace them by your own: in a copy of {PARAMETERS}, named by --parameters.",
        )


def _filled(kind: type[Filled], table: str, values: Mapping[str, Any]) -> Filled:
    types = get_type_hints(kind)
    _refuse_others(f"{table}.", values, types)
    for name, wanted in types.items():
        if name not in values and not hasattr(kind, name):  # a default is an attribute of the class
            raise SparkParametersError(
                f"{table}.{name} is missing.", f"Add it under [{table}]; {PARAMETERS} shows how."
            )
        if name in values and not isinstance(values[name], wanted):
            raise SparkParametersError(
                f"{table}.{name} is {values[name]!r}, which is no {wanted.__name__}.", "Correct it."
            )
    return kind(**values)


def _refuse_others(where: str, names: Collection[str], known: Collection[str]) -> None:
    for name in names:
        if name not in known:
            raise SparkParametersError(f"{where}{name} is not known.", f"It can be: {', '.join(sorted(known))}.")
