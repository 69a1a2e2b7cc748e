"""The task: Celery hands over one picture, and what waits beside it goes along.

Celery's way from a message to a function (its request, trace and pool) is meant for one task at a time, so this task
has a strategy of its own, which is Celery's name for what a worker does with a message. The messages, their queues,
their acknowledgement and their delivery a second time are Celery's.
"""

import logging
from collections.abc import Callable, Sequence
from typing import Any

from celery import Celery
from redis import Redis, RedisError

from step3_microservices.contract import INTERACTIVE, JOBS, TASK, Work
from step3_microservices.worker.batching import Batcher, Limits, Message
from step3_microservices.worker.inference import Inference

_log = logging.getLogger(__name__)


def register_task(app: Celery, redis: Redis, inference: Inference, limits: Limits) -> None:
    """Let the app do the task with that; `redis` is for a look at how much waits."""

    def strategy(_task: object, _app: Celery, consumer: Any) -> Callable[..., None]:  # noqa: ANN401 - Celery has no types
        def get(queue: str) -> Message | None:
            message: Message | None = consumer.task_consumer.channel.basic_get(queue)
            return message

        batcher = Batcher(get, lambda: anybody_waits(redis), limits)

        def handle(message: Message, *_: object, **__: object) -> None:
            first = work_of(message)
            if first:
                answer(inference, [message, *batcher.fill(first)])

        return handle

    @app.task(name=TASK, Strategy=staticmethod(strategy))  # type: ignore[untyped-decorator]
    def classify(*_: object) -> None:
        """Stand for the task's name; the strategy does what there is to do."""


def answer(inference: Inference, messages: Sequence[Message]) -> None:
    """Answer all messages, and acknowledge them; or put them back where Redis is gone."""
    works = {work: bool(message.headers.get("redelivered")) for message in messages if (work := work_of(message))}
    try:
        inference.answer(works)
        for message in messages:
            message.ack()
    except RedisError as error:
        _log.warning("not stored", extra={"fields": {"reason": str(error)}})
        for message in messages:
            try:
                message.reject(requeue=True)
            except (RedisError, OSError):
                return  # the visibility timeout brings them back


def work_of(message: Message) -> Work | None:
    """Return what a message asks for; one that cannot be read is acknowledged, so that it does not come again."""
    try:
        return Work(*message.payload[0])
    except (TypeError, ValueError, LookupError):
        _log.exception("not a task of ours")
        message.ack()
        return None


def anybody_waits(redis: Redis) -> bool:
    """Return whether there is anything in either queue."""
    with redis.pipeline(transaction=False) as pipe:
        pipe.llen(INTERACTIVE)
        pipe.llen(JOBS)
        return any(pipe.execute())
