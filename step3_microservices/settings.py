"""What the settings of this step's services have in common: kinds of values, and how they are read."""

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any, ClassVar, Protocol, TypeVar

from pydantic import Field, TypeAdapter, ValidationError

from shared.errors import ExpectedError


class _Dataclass(Protocol):
    """What every dataclass has, by which `fields` knows it."""

    __dataclass_fields__: ClassVar[dict[str, Any]]


Config = TypeVar("Config", bound=_Dataclass)

Count = Annotated[int, Field(ge=1)]
Seconds = Annotated[float, Field(gt=0)]
DatabaseUrl = Annotated[str, Field(pattern=r"^(sqlite:///.|postgresql(\+[a-z0-9]+)?://)")]
HttpUrl = Annotated[str, Field(pattern="^https?://.")]
RedisUrl = Annotated[str, Field(pattern="^(rediss?|unix)://")]


# Where the processes of one machine find each other unless they are told otherwise.
REDIS = "redis://127.0.0.1:6379/0"
ANALYTICS_DATABASE = "sqlite:///.data/analytics.sqlite"  # or postgresql://user:password@host/name


def split(text: object) -> object:
    """Return the texts that commas part, each without blanks; what is no text is left as it is."""
    return tuple(part.strip() for part in text.split(",") if part.strip()) if isinstance(text, str) else text


class ConfigError(ExpectedError):
    """A setting has a value that cannot work."""

    code = "config_invalid"


def read(config: type[Config], environment: Mapping[str, str]) -> Config:
    """Make a dataclass of settings from the environment variables that its fields are named after, in capitals.

    NAME_FILE names a file that holds the value of NAME, as secrets come into containers: what stands in the environment
    is seen by whoever may look at a container. An empty variable counts as not given. Raises ConfigError.
    """
    given = {field.name: _value(field.name.upper(), environment) for field in fields(config)}
    try:
        return TypeAdapter(config).validate_python({name: text for name, text in given.items() if text})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = str(first["loc"][0])
        raise ConfigError(
            f"{_told(field.upper(), given[field], environment)} cannot be used: {first['msg']}.", "Correct it."
        ) from error


def _value(name: str, environment: Mapping[str, str]) -> str | None:
    """Return the text of a setting, from the variable itself before a file."""
    file = environment.get(f"{name}_FILE")
    if environment.get(name) or not file:
        return environment.get(name)
    try:
        return Path(file).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise ConfigError(f"{name}_FILE={file} cannot be read ({reason}).", "Correct it.") from error


def _told(name: str, value: str | None, environment: Mapping[str, str]) -> str:
    """Return a setting as a message may show it: what comes from a file may be a secret."""
    return f"{name}={value}" if environment.get(name) else f"{name} in {environment.get(f'{name}_FILE')}"
