"""The settings, and the only place that reads the environment: each field below is a variable of the same name."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, Field
from pydantic.dataclasses import dataclass

from step3_microservices.gateway.edge_settings import Origin, Sha256, Storage, check_edges
from step3_microservices.settings import Count, DatabaseUrl, HttpUrl, RedisUrl, Seconds, read, split

ARTIFACTS = ".data/recommender/artifacts"


@dataclass(frozen=True)
class Config:
    """How this service runs; the defaults suit a laptop."""

    redis_url: RedisUrl = "redis://127.0.0.1:6379/0"  # for events alone: recommendations need none

    artifacts: str = ARTIFACTS  # a folder, or s3://bucket/prefix
    cache: Path = Path(".data/recommender/cache")  # where versions from s3:// are copied to
    reload_interval_s: Seconds = 5  # how often each process looks for another version
    blocked_items: Annotated[tuple[str, ...], BeforeValidator(split)] = ()  # ids of what nobody is to see

    experiment: Annotated[str, Field(min_length=1)] = "collaborative-lists"  # another name draws the arms anew
    control_share: Annotated[float, Field(ge=0, le=1)] = 0.5

    max_events: Count = 200_000  # that may wait for the database, each some 300 bytes of Redis
    analytics_database: DatabaseUrl = "sqlite:///.data/analytics.sqlite"  # or postgresql://user:password@host/name
    otlp_endpoint: HttpUrl | None = None  # where OpenTelemetry's spans go, such as http://127.0.0.1:4318

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65535)] = 8010
    web_processes: Count = 1
    # Requests in work at once, per process; three quarters of them may wait for Redis. An answer takes half a
    # millisecond of processor, so that more threads would mostly wait for each other; a gateway is in front of them.
    threads: Count = 4
    trusted_proxies: Annotated[int, Field(ge=0)] = 0  # how many proxies in front add X-Forwarded-For

    upload_timeout_s: Seconds = 5  # for a whole request to arrive
    answer_timeout_s: Seconds = 5
    send_timeout_s: Seconds = 5  # for a client to take its answer
    shutdown_timeout_s: Annotated[int, Field(ge=1)] = 10  # for requests in work after SIGTERM

    # All three are off unless given; they are those of the gateway, for a service that others reach without it.
    api_keys_sha256: Annotated[tuple[Sha256, ...], BeforeValidator(split)] = ()
    cors_origins: Annotated[tuple[Origin, ...], BeforeValidator(split)] = ()
    rate_limit: str | None = None  # such as 60/minute, for each client
    rate_limit_storage: Storage = "memory://"  # one process counts alone; several need redis://host:port

    def __post_init__(self) -> None:
        """Refuse what only a closer look shows to make no sense, alone or together."""
        check_edges(self)


def read_config(environment: Mapping[str, str]) -> Config:
    """Read the settings from environment variables; an empty one counts as not given. Raises ConfigError."""
    return read(Config, environment)
