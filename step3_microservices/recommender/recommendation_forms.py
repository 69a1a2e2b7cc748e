"""The question for a list, and its answer, as they travel: what may be asked, and what is told."""

from functools import cache
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field
from typing_extensions import TypedDict  # Python 3.11's own cannot be turned into a JSON schema by Pydantic

from shared.recommender.fallback import Reason

MOST_ITEMS = 20
MOST_INSTALLED = 200

Country = Annotated[str, Field(pattern="^([A-Za-z]{2})?$"), AfterValidator(str.upper)]
Count = Annotated[int, Field(ge=1, le=MOST_ITEMS)]
Ids = Annotated[str, Field(pattern="^[A-Za-z0-9_.:,-]*$")]


def _parted(given: object) -> object:
    """Take several values, and commas in each, for one list."""
    if isinstance(given, list) and all(isinstance(one, str) for one in given):
        return [part for one in given for part in one.split(",")]
    return given


def _without_default(schema: dict[str, Any]) -> None:
    del schema["default"]


class RecommendationsQuery(BaseModel, extra="forbid"):
    """Who wants to know, and for which slot."""

    user_id: str = Field(
        default="",
        pattern="^[A-Za-z0-9_.:-]{0,64}$",
        description="Of whom; without it, or where it is not known, the list is that of the country",
    )
    country: Country = Field(
        default="", description="ISO 3166, alpha-2; without it, or where it is not known, the list is that of all"
    )
    slot: Literal["300x250", "728x90", "320x50"] = Field(default="300x250", description="Where it will be shown")
    n: Count = Field(  # 0, which nobody may ask for, where it was not given
        default=0,
        json_schema_extra=_without_default,
        description="How many items; by default what fits the slot",
    )
    installed: Annotated[list[Ids], BeforeValidator(_parted)] = Field(
        default=[], max_length=MOST_INSTALLED, description="Items that must not appear, parted by commas"
    )

    @classmethod
    @cache
    def model_json_schema(cls, *given: Any, **named: Any) -> dict[str, Any]:  # type: ignore[override] # noqa: ANN401
        """Return the JSON schema, made once: flask-openapi3 asks for it in each request, for half a millisecond."""
        return super().model_json_schema(*given, **named)


class RecommendedJson(TypedDict):
    """One item, its place in the list from 1, and which list it comes from."""

    item_id: str
    title: str
    category: str
    icon: str
    position: int
    reason: Reason


class RecommendationsJson(TypedDict):
    """A list, short or empty where everything is installed.

    Events that answer it bring back `arm`, `experiment`, `control_share`, `model_version` and `list_id`, its name.
    """

    slot: str
    items: list[RecommendedJson]
    arm: Literal["control", "collaborative", "none"]
    experiment: str
    control_share: float
    model_version: str
    model_age_s: int
    list_id: str
