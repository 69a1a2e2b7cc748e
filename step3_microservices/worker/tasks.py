"""The task: Celery hands over one picture, and what waits beside it goes along."""

import logging
from collections.abc import Sequence
from typing import Any

from celery import Celery
from celery.exceptions import Reject
from redis import Redis, RedisError

from step3_microservices.contract import INTERACTIVE, JOBS, TASK, Work
from step3_microservices.worker.batching import Batcher, Limits, Message
from step3_microservices.worker.inference import Inference

_log = logging.getLogger(__name__)


class Channel:
    """Where tasks are taken from: the consumer's channel, which is another one after each reconnection."""

    def __init__(self, redis: Redis) -> None:
        """Begin without a consumer."""
        self.consumer: Any = None
        self._redis = redis

    def anybody_waits(self) -> bool:
        """Return whether there is anything in either queue: one look, where `get` would be two."""
        with self._redis.pipeline(transaction=False) as pipe:
            pipe.llen(INTERACTIVE)
            pipe.llen(JOBS)
            return any(pipe.execute())

    def get(self, queue: str) -> Message | None:
        """Take one message from a queue, to be acknowledged; None where it is empty."""
        message: Message | None = self.consumer.task_consumer.channel.basic_get(queue)
        return message


def register_task(app: Celery, channel: Channel, inference: Inference, limits: Limits) -> None:
    """Let the app do the task with that."""
    batcher = Batcher(channel.get, channel.anybody_waits, limits)

    @app.task(name=TASK, bind=True)  # type: ignore[untyped-decorator]
    def classify(task: Any, *fields: Any) -> None:  # noqa: ANN401 - Celery has no types
        first = Work(*fields)
        others = batcher.fill(first)
        works = {first: bool(task.request.delivery_info.get("redelivered"))}
        works |= {Work(*message.payload[0]): bool(message.headers.get("redelivered")) for message in others}
        try:
            inference.answer(works)
        except RedisError as error:
            # What was not stored is not done; whoever can reach Redis again does it.
            _put_back(others)
            raise Reject(str(error), requeue=True) from error
        for message in others:
            message.ack()


def _put_back(messages: Sequence[Message]) -> None:
    for message in messages:
        try:
            message.reject(requeue=True)
        except (RedisError, OSError):
            return  # the visibility timeout brings them back
