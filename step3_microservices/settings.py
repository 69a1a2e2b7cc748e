"""What the settings of this step's services have in common: kinds of values, and how they are read."""

from collections.abc import Mapping
from dataclasses import fields
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

    An empty variable counts as not given. Raises ConfigError.
    """
    given = {field.name: environment.get(field.name.upper()) for field in fields(config)}
    try:
        return TypeAdapter(config).validate_python({name: text for name, text in given.items() if text})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = str(first["loc"][0]).upper()
        raise ConfigError(f"{name}={environment[name]} cannot be used: {first['msg']}.", "Correct it.") from error
