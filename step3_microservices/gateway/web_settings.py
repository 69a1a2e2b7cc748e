"""The settings that every web service of this step has; what a service has besides is in its own `config.py`."""

from typing import Annotated

from limits import parse_many
from limits.storage import storage_from_string
from pydantic import BeforeValidator, Field
from pydantic.dataclasses import dataclass

from step3_microservices.settings import ConfigError, Count, HttpUrl, Seconds, split

Port = Annotated[int, Field(ge=1, le=65535)]
WholeSeconds = Annotated[int, Field(ge=1)]
Storage = Annotated[str, Field(pattern="^(memory|rediss?)://")]
Origin = Annotated[str, Field(pattern=r"^(\*|https?://([A-Za-z0-9.-]+|\[[0-9a-fA-F:.]+\])(:\d+)?)$")]
Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


@dataclass(frozen=True)
class WebSettings:
    """How a service is served and who may ask it. Those without a default get one from each service."""

    port: Port
    threads: Count  # requests in work at once, per process
    upload_timeout_s: Seconds  # for a whole request to arrive
    answer_timeout_s: Seconds  # for its answer to be made
    send_timeout_s: Seconds  # for a client to take its answer
    shutdown_timeout_s: WholeSeconds  # for requests in work after SIGTERM

    host: str = "127.0.0.1"
    web_processes: Count = 1
    trusted_proxies: Annotated[int, Field(ge=0)] = 0  # how many proxies in front add X-Forwarded-For
    otlp_endpoint: HttpUrl | None = None  # where OpenTelemetry's spans go, such as http://127.0.0.1:4318

    # All three are off unless given. Keys are given as hashes: see `api_keys.py`.
    api_keys_sha256: Annotated[tuple[Sha256, ...], BeforeValidator(split)] = ()
    cors_origins: Annotated[tuple[Origin, ...], BeforeValidator(split)] = ()
    rate_limit: str | None = None  # such as 60/minute, for each client
    rate_limit_storage: Storage = "memory://"  # one process counts alone; several need redis://host:port

    def __post_init__(self) -> None:
        """Refuse what only a closer look shows to make no sense, alone or together."""
        try:
            (_,) = parse_many(self.rate_limit or "1/second")
        except ValueError as error:
            detail = f"RATE_LIMIT={self.rate_limit} cannot be understood as one limit."
            raise ConfigError(detail, "Write it like 60/minute.") from error
        try:
            storage_from_string(self.rate_limit_storage)  # connects only when it is used
        except Exception as error:  # each kind of storage has its own
            detail = f"RATE_LIMIT_STORAGE={self.rate_limit_storage} cannot be used: {error}."
            raise ConfigError(detail, "Write it like redis://host:port.") from error
        if self.rate_limit and self.web_processes > 1 and self.rate_limit_storage.startswith("memory:"):
            raise ConfigError(
                "Several web processes cannot count a client's requests in a memory that they do not share.",
                "Set RATE_LIMIT_STORAGE to redis://host:port, or WEB_PROCESSES to 1.",
            )
