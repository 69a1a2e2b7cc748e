"""The settings, and the only place that reads the environment: each field below is a variable of the same name."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, FilePath
from pydantic.dataclasses import dataclass

from step3_microservices.settings import REDIS, Count, RedisUrl, Seconds, read, split

CANNOT_START = 4  # the exit code of a process that another one in its place could not start either


@dataclass(frozen=True)
class Config:
    """How a worker runs; the defaults suit a laptop."""

    redis_url: RedisUrl = REDIS

    # Which model, and in which form: an exported artifact, or TensorFlow itself (see `shared.classifier.models.load`).
    model: str = "auto"
    runtime: Literal["openvino", "tensorflow"] = "openvino"
    artifacts: str = ".artifacts"  # a folder, or s3://bucket/prefix
    artifact_cache: Path = Path(".artifacts-cache")  # where those from s3:// are kept
    artifact_version: str | None = None  # one version for good; else what the pointer names, now and later
    precision: Literal["auto", "float32", "bfloat16", "int8"] = "auto"
    weights: str | None = None
    labels: Path | None = None
    scaling: str | None = None
    # The golden picture, and labels of which one must come first before a model is switched to.
    golden_image: FilePath | None = None
    golden_labels: Annotated[tuple[str, ...], BeforeValidator(split)] = ()

    worker_processes: Count = 1  # each holds a model of its own
    inference_threads: Annotated[int, Field(ge=0)] = 0  # 0: as many as there are cores
    max_batch_size: Count = 4  # pictures that wait at the same time are predicted in one call
    max_wait_ms: Annotated[float, Field(ge=0)] = 0  # how long a batch that has begun to fill waits for more
    job_share: Annotated[float, Field(ge=0, lt=1)] = 0.25  # of the pictures predicted while both queues wait
    answer_ttl_s: Annotated[float, Field(ge=0)] = 300  # how long an answer is kept for the same picture; 0: not
    job_ttl_s: Seconds = 24 * 3600  # how long a job is kept
    visibility_timeout_s: Seconds = 10  # after it a task that nobody has acknowledged is delivered again
    reload_interval_s: Seconds = 10  # how often the pointer is looked at
    metrics_port: Annotated[int, Field(ge=0, le=65535)] = 0  # where Prometheus finds this process's figures; 0: nowhere
    otlp_endpoint: str | None = None  # where OpenTelemetry's spans go, such as http://127.0.0.1:4318


def read_config(environment: Mapping[str, str]) -> Config:
    """Read the settings from environment variables; an empty one counts as not given. Raises ConfigError."""
    return read(Config, environment)
