"""The settings of a service's edges: who may ask, from where and how often. Several services have them."""

from typing import Annotated, Protocol

from limits import parse_many
from limits.storage import storage_from_string
from pydantic import Field

from step3_microservices.settings import ConfigError

Storage = Annotated[str, Field(pattern="^(memory|rediss?)://")]
Origin = Annotated[str, Field(pattern=r"^(\*|https?://([A-Za-z0-9.-]+|\[[0-9a-fA-F:.]+\])(:\d+)?)$")]
Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class EdgeSettings(Protocol):
    """What the edges need to know of a service's settings."""

    @property
    def web_processes(self) -> int:
        """How many processes serve."""

    @property
    def trusted_proxies(self) -> int:
        """How many proxies in front add X-Forwarded-For."""

    @property
    def api_keys_sha256(self) -> tuple[str, ...]:
        """The hashes of the keys that are known; none: nobody needs one."""

    @property
    def cors_origins(self) -> tuple[str, ...]:
        """Which other origins may ask."""

    @property
    def rate_limit(self) -> str | None:
        """How often each client may ask, such as 60/minute."""

    @property
    def rate_limit_storage(self) -> str:
        """Where that is counted."""


def check_edges(settings: EdgeSettings) -> None:
    """Refuse what only a closer look shows to make no sense, alone or together. Raises ConfigError."""
    try:
        (_,) = parse_many(settings.rate_limit or "1/second")
    except ValueError as error:
        detail = f"RATE_LIMIT={settings.rate_limit} cannot be understood as one limit."
        raise ConfigError(detail, "Write it like 60/minute.") from error
    try:
        storage_from_string(settings.rate_limit_storage)  # connects only when it is used
    except Exception as error:  # each kind of storage has its own
        detail = f"RATE_LIMIT_STORAGE={settings.rate_limit_storage} cannot be used: {error}."
        raise ConfigError(detail, "Write it like redis://host:port.") from error
    if settings.rate_limit and settings.web_processes > 1 and settings.rate_limit_storage.startswith("memory:"):
        raise ConfigError(
            "Several web processes cannot count a client's requests in a memory that they do not share.",
            "Set RATE_LIMIT_STORAGE to redis://host:port, or WEB_PROCESSES to 1.",
        )
