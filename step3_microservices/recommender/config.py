"""The settings, and the only place that reads the environment: each field is a variable of the same name."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, Field
from pydantic.dataclasses import dataclass

from step3_microservices.gateway.web_settings import Port, WebSettings, WholeSeconds
from step3_microservices.settings import ANALYTICS_DATABASE, REDIS, Count, DatabaseUrl, RedisUrl, Seconds, read, split

ARTIFACTS = ".data/recommender/artifacts"


@dataclass(frozen=True)
class Config(WebSettings):
    """How this service runs; the defaults suit a laptop. What every web service has is in `web_settings.py`."""

    redis_url: RedisUrl = REDIS  # for events alone: recommendations need none

    artifacts: str = ARTIFACTS  # a folder, or s3://bucket/prefix
    cache: Path = Path(".data/recommender/cache")  # where versions from s3:// are copied to
    reload_interval_s: Seconds = 5  # how often each process looks for another version
    blocked_items: Annotated[tuple[str, ...], BeforeValidator(split)] = ()  # ids of what nobody is to see

    # Another name draws the arms anew. It is an id, since events bring it back.
    experiment: Annotated[str, Field(pattern="^[A-Za-z0-9_.:-]{1,64}$")] = "collaborative-lists"
    control_share: Annotated[float, Field(ge=0, le=1)] = 0.5

    max_events: Count = 200_000  # that may wait for the database, each some 300 bytes of Redis
    analytics_database: DatabaseUrl = ANALYTICS_DATABASE

    port: Port = 8010
    # Requests in work at once, per process; three quarters of them may wait for Redis. An answer takes half a
    # millisecond of processor, so that more threads would mostly wait for each other; a gateway is in front of them.
    threads: Count = 4
    upload_timeout_s: Seconds = 5
    answer_timeout_s: Seconds = 5
    send_timeout_s: Seconds = 5
    shutdown_timeout_s: WholeSeconds = 10


def read_config(environment: Mapping[str, str]) -> Config:
    """Read the settings from environment variables; an empty one counts as not given. Raises ConfigError."""
    return read(Config, environment)
