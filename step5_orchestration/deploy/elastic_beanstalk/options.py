"""Changes to Beanstalk's options, as its requests want them, and back again."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from step5_orchestration.deploy.elastic_beanstalk.deployment import ENVIRONMENT_SETTINGS, Option


@dataclass(frozen=True)
class OptionChanges:
    """Options to be set, and options to be removed."""

    set: Mapping[Option, str] = field(default_factory=dict)
    removed: tuple[Option, ...] = ()

    @classmethod
    def between(cls, before: Mapping[Option, str], wanted: Mapping[Option, str]) -> Self:
        """Return what leads from what is there to what is wanted.

        Of options that are there and not wanted only the variables of containers are removed: the others are defaults.
        """
        return cls(
            {option: value for option, value in wanted.items() if not _is(before.get(option), value)},
            tuple(option for option in before if option[0] == ENVIRONMENT_SETTINGS and option not in wanted),
        )

    def undone(self, before: Mapping[Option, str], now: Mapping[Option, str]) -> Self:
        """Return what leads from what is there now to what was before, where Beanstalk has not undone it itself."""
        changed = (*self.set, *self.removed)
        return type(self)(
            {option: before[option] for option in changed if option in before and now.get(option) != before[option]},
            tuple(option for option in changed if option in now and option not in before),
        )

    def __bool__(self) -> bool:
        return bool(self.set or self.removed)

    @property
    def request(self) -> dict[str, Any]:
        """What a request to change an environment says of them."""
        return {
            "OptionSettings": [
                {"Namespace": space, "OptionName": name, "Value": value} for (space, name), value in self.set.items()
            ],
            "OptionsToRemove": [{"Namespace": space, "OptionName": name} for space, name in self.removed],
        }


def _is(before: str | None, wanted: str) -> bool:
    """Whether an option is as it is wanted; a role that was given by its name may be told by its ARN."""
    return before is not None and (before == wanted or (before.startswith("arn:") and before.endswith(f"/{wanted}")))
