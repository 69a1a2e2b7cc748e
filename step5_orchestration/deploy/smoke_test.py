"""What a deployment has to pass before it counts: the golden picture, asked from outside as people ask."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import requests

import shared
from step5_orchestration.deploy.errors import SmokeTestError

CAT = Path(next(iter(shared.__path__))) / "samples" / "cat.jpg"
# An ImageNet model sees one of these first; of a model with other labels any answer will do.
IMAGENET_CATS = ("tabby", "tiger cat", "Egyptian cat")

_ONE_ANSWER_S = 60  # longer than the service's own deadline, so that its answer is told and not our impatience
_ONE_PROBE_S = 10
_PAUSE_S = 2.0
_SHOWN = 200  # characters of an answer that is none
_REMEDY = "Look at the logs of what was deployed."


def smoke_test(
    address: str, *, timeout_s: float, api_key: str | None = None, sleep: Callable[[float], None] = time.sleep
) -> None:
    """Wait until `address` is ready, then have the golden picture answered. Raises SmokeTestError.

    `timeout_s` is for becoming ready, in seconds: DNS and load balancers take a while to hear of a new service.
    `api_key` is for a service that asks for one.
    """
    address = address.rstrip("/")
    with requests.Session() as session:
        if api_key:
            session.headers["Authorization"] = f"Bearer {api_key}"
        _wait_until_ready(session, address, timeout_s, sleep)
        _check(_ask(session, address), address)


def _wait_until_ready(
    session: requests.Session, address: str, timeout_s: float, sleep: Callable[[float], None]
) -> None:
    waited_s, said = 0.0, ""
    while True:
        began = time.monotonic()
        try:
            reply = session.get(f"{address}/readyz", timeout=_ONE_PROBE_S)
            if reply.ok:
                return
            said = f"status {reply.status_code}"
        except requests.RequestException as error:
            said = type(error).__name__
        waited_s += time.monotonic() - began + _PAUSE_S
        if waited_s > timeout_s:
            raise SmokeTestError(
                f"{address}/readyz did not become ready within {timeout_s:.0f} s; the last try gave {said}.", _REMEDY
            )
        sleep(_PAUSE_S)


def _ask(session: requests.Session, address: str) -> dict[str, Any]:
    try:
        reply = session.post(
            f"{address}/v1/classify",
            data=CAT.read_bytes(),
            headers={"Content-Type": "application/octet-stream"},
            timeout=_ONE_ANSWER_S,
        )
    except requests.RequestException as error:
        raise SmokeTestError(f"{address}/v1/classify gives no answer: {error}.", _REMEDY) from error
    try:
        answer = reply.json()
    except requests.JSONDecodeError:
        answer = reply.text[:_SHOWN]  # a page: of nginx, or of a load balancer
    if not reply.ok or not isinstance(answer, dict):
        raise SmokeTestError(f"{address}/v1/classify answers with status {reply.status_code}: {answer}.", _REMEDY)
    return answer


def _check(answer: dict[str, Any], address: str) -> None:
    try:
        best, model_version = answer["predictions"][0], answer["model_version"]
        label, is_imagenet = best["label"], best.get("wnid") is not None
    except (KeyError, IndexError, TypeError, AttributeError):
        raise SmokeTestError(f"{address}/v1/classify answers with something else: {answer}.", _REMEDY) from None
    if not model_version:
        raise SmokeTestError(f"{address} does not say which model_version has answered.", _REMEDY)
    if is_imagenet and label not in IMAGENET_CATS:
        raise SmokeTestError(
            f"{address} sees {label!r} in the golden picture instead of {' or '.join(IMAGENET_CATS)}.",
            "Look at the model of the worker's container image.",
        )
