"""Responses to recommendations as they travel: what a slot may report, and what is wrong with a report that is not."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, Field, TypeAdapter, ValidationError

from step3_microservices.gateway.problems import RequestError

MOST_EVENTS = 50  # in one request
MOST_BYTES = 64 * 1024  # in one request: as much as browsers let `sendBeacon` have on its way, and room for 50 events
IMPRESSION, CLICK, DISMISS = "impression", "click", "dismiss"

_CLOCK_MAY_BE_OFF = timedelta(days=1)  # a browser's; beyond that its time says nothing
_FAULTS_TOLD = 5
_ANY_JSON: TypeAdapter[Any] = TypeAdapter(Any)


def _text_only(given: object) -> object:
    if not isinstance(given, str):
        raise ValueError("write it as text, like 2026-01-31T12:00:00Z")
    return given


def _number_only(given: object) -> object:
    if isinstance(given, str | bool):
        raise ValueError("write it as a number")
    return given


def _or_none(text: str) -> str | None:
    return text or None


Id = Annotated[str, Field(pattern="^[A-Za-z0-9_.:-]{1,64}$")]
UserId = Annotated[str, Field(pattern="^[A-Za-z0-9_.:-]{0,64}$"), AfterValidator(_or_none)]
Country = Annotated[str, Field(pattern="^([A-Za-z]{2})?$"), AfterValidator(str.upper), AfterValidator(_or_none)]


class Event(BaseModel, extra="forbid", frozen=True):
    """One thing that happened to one item of a list."""

    event_id: Id = Field(description="The client's own name for it: an event sent twice is counted once")
    event: Literal["impression", "click", "dismiss"] = Field(
        description="An impression is counted once half of the item was visible for a second"
    )
    time: Annotated[AwareDatetime, BeforeValidator(_text_only)] = Field(
        description="When, with its zone; one that is more than a day from the service's clock is replaced by it"
    )
    user_id: UserId | None = Field(default=None, description="Empty for a stranger")
    country: Country | None = Field(default=None, description="ISO 3166, alpha-2")
    item_id: Id
    slot: Literal["300x250", "728x90", "320x50"]
    position: Annotated[int, Field(ge=1, le=20), BeforeValidator(_number_only)] = Field(description="From 1")
    arm: Literal["control", "collaborative", "none"]
    experiment: Id | None = Field(default=None, description="As it came with the list, like the share in control")
    control_share: Annotated[float, Field(ge=0, le=1), BeforeValidator(_number_only)] | None = None
    model_version: Id
    list_id: Id = Field(description="As it came with the list")

    def at(self, received: datetime) -> datetime:
        """Return when it happened, in UTC, as far as the client's clock can be trusted."""
        return self.time.astimezone(UTC) if abs(self.time - received) <= _CLOCK_MAY_BE_OFF else received


class EventsBody(BaseModel, extra="forbid"):
    """What a slot sends: some events; a single one may also be the whole body."""

    events: list[Event] = Field(min_length=1, max_length=MOST_EVENTS)


class AcceptedJson(BaseModel):
    """How many events will be counted; those that came before are not counted again."""

    accepted: int


class EventError(RequestError):
    """An event is not as the documentation says, and nothing of its request was counted."""

    code = "event_invalid"


def read_events(body: bytes) -> list[Event]:
    """Return the events of a request's body. Raises EventError, which says which event is wrong and where."""
    try:
        given = _ANY_JSON.validate_json(body)
    except ValidationError as error:
        (fault,) = error.errors(include_url=False, include_input=False)
        raise EventError(f"The body is no JSON: {fault['msg']}.", "See /docs.") from error
    if isinstance(given, dict) and "events" not in given:
        given = {"events": [given]}
    try:
        return EventsBody.model_validate(given).events
    except ValidationError as error:
        faults = error.errors(include_url=False, include_context=False)
        told = "; ".join(_in_words(fault["loc"], fault["msg"], given) for fault in faults[:_FAULTS_TOLD])
        more = f"; and {len(faults) - _FAULTS_TOLD} more" if len(faults) > _FAULTS_TOLD else ""
        raise EventError(f"{told}{more}.", "Correct it and send all of them again.") from error


def _in_words(place: tuple[int | str, ...], message: str, given: Any) -> str:  # noqa: ANN401 - any JSON
    """Name the event by its place, from 1, and by its id if it has one, and the field that is wrong."""
    if len(place) < 2:  # noqa: PLR2004 - the list of events itself, or the body
        return f"{'.'.join(map(str, place)) or 'The body'}: {message}"
    number = int(place[1])
    event = given["events"][number]
    event_id = event.get("event_id") if isinstance(event, Mapping) else None
    name = f" ({event_id[:64]!r})" if isinstance(event_id, str) else ""
    fields = ".".join(str(part) for part in place[2:])
    return f"Event {number + 1}{name}{f', {fields}' if fields else ''}: {message.removeprefix('Value error, ')}"
