"""The settings, and the only place that reads the environment: each field is a variable of the same name."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import BeforeValidator, Field, FilePath
from pydantic.dataclasses import dataclass

from shared.classifier.images import MAX_BYTES, MAX_PIXELS
from step3_microservices.drift import LONGEST_WINDOW_H
from step3_microservices.gateway.web_settings import Port, WebSettings, WholeSeconds
from step3_microservices.settings import (
    ANALYTICS_DATABASE,
    REDIS,
    Count,
    DatabaseUrl,
    HttpUrl,
    RedisUrl,
    Seconds,
    read,
    split,
)

_MEBIBYTE = 1024 * 1024

Hours = Annotated[int, Field(ge=1, le=LONGEST_WINDOW_H)]


@dataclass(frozen=True)
class Config(WebSettings):
    """How this service runs; the defaults suit a laptop. What every web service has is in `web_settings.py`."""

    redis_url: RedisUrl = REDIS

    # The golden picture, and labels of which one must come first for /readyz; ImageNet's models bring their own.
    golden_image: FilePath | None = None
    golden_labels: Annotated[tuple[str, ...], BeforeValidator(split)] = ()

    port: Port = 8000
    threads: Count = 64  # requests in work at once, per process: most wait, and somebody must be free to refuse
    max_queued: Count = 32  # pictures that wait for a worker; whoever comes then is told when there will be room
    answer_ttl_s: Annotated[float, Field(ge=0)] = 300  # how long an answer is kept for the same picture; 0: not
    visibility_timeout_s: Seconds = 10  # as the workers have it
    decoders: Count = 2  # pictures decoded at once, per process: each takes memory, and a core

    max_image_bytes: Count = MAX_BYTES
    max_image_pixels: Count = MAX_PIXELS
    max_images: Count = 16  # in one request
    max_body_bytes: Count = 64 * _MEBIBYTE
    upload_timeout_s: Seconds = 30  # for a whole request to arrive
    answer_timeout_s: Seconds = 30  # for a worker to be free and to answer
    send_timeout_s: Seconds = 30  # for a client to take its answer
    max_queued_jobs: Count = 256
    job_timeout_s: Seconds = 3600  # for a job to begin; then it is expired
    job_ttl_s: Seconds = 24 * 3600  # how long a job is kept, from its beginning
    max_event_streams: Count = 16  # that may be open at once, per process: each takes a thread

    # The recommender that is reached through this service; without one the page has no slot.
    recommender_url: HttpUrl | None = None  # such as http://127.0.0.1:8010
    recommender_timeout_s: Seconds = 1
    max_recommender_requests: Count = 16  # at once, per process: each takes a thread

    analytics_database: DatabaseUrl = ANALYTICS_DATABASE
    drift_window_h: Hours = 24  # the answers of so many hours are held against the reference
    drift_min_pictures: Count = 500  # with fewer, in the window or the reference, no figure of drift is told

    shutdown_timeout_s: WholeSeconds = 30  # for requests in work after SIGTERM


def read_config(environment: Mapping[str, str]) -> Config:
    """Read the settings from environment variables; an empty one counts as not given. Raises ConfigError."""
    return read(Config, environment)
