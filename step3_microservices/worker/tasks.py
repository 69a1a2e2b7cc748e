"""The task: Celery hands over one picture, and what waits beside it goes along.

Celery's way from a message to a function (its request, trace and pool) is meant for one task at a time, so this task
has a strategy of its own, which is Celery's name for what a worker does with a message. The messages, their queues,
their acknowledgement and their delivery a second time are Celery's.
"""

import logging
from collections.abc import Callable, Sequence
from typing import Any

from celery import Celery
from redis import ConnectionError as RedisConnectionError
from redis import RedisError

from step3_microservices.contract import TASK, Work
from step3_microservices.redis_transport import QoS
from step3_microservices.store import Store
from step3_microservices.worker.batching import Batcher, Limits, Message
from step3_microservices.worker.inference import Inference

_log = logging.getLogger(__name__)


def register_task(app: Celery, store: Store, inference: Inference, limits: Limits) -> None:
    """Let the app do the task with that."""

    def strategy(_task: object, _app: Celery, consumer: Any) -> Callable[..., None]:  # noqa: ANN401 - Celery has no types
        def get(queue: str, count: int) -> Sequence[Message]:
            messages: Sequence[Message] = consumer.task_consumer.channel.get_many(queue, count)
            return messages

        tasks = Tasks(store, inference, Batcher(get, limits))
        return lambda message, *_, **__: tasks.handle(message, consumer.task_consumer.channel.qos)

    @app.task(name=TASK, Strategy=staticmethod(strategy))  # type: ignore[untyped-decorator]
    def classify(*_: object) -> None:
        """Stand for the task's name; the strategy does what there is to do."""


class Tasks:
    """What a worker does with a message."""

    def __init__(self, store: Store, inference: Inference, batcher: Batcher) -> None:
        """Take from that store, and answer so."""
        self._store = store
        self._inference = inference
        self._batcher = batcher

    def handle(self, message: Message, qos: QoS) -> None:
        """Answer a message and what waits beside it, and acknowledge them; or put them back where Redis is gone."""
        messages = [message]
        try:
            first = work_of(message)
            taken, waiting = self._store.take([first], qos.write)
            messages += self._batcher.fill(first, is_alone=not waiting)
            works = {work_of(each): each for each in messages}
            if len(works) > 1:
                taken |= self._store.take([*works][1:], qos.write)[0]
            self._inference.answer({w: bool(m.headers.get("redelivered")) for w, m in works.items()}, taken)
            qos.ack_together([each.delivery_tag for each in messages])
        except RedisError as error:
            _log.warning("not done", extra={"fields": {"reason": str(error)}})
            _put_back(messages)
        except (TypeError, ValueError, LookupError):
            _log.exception("not a task of ours")
            qos.ack_together([each.delivery_tag for each in messages])


def work_of(message: Message) -> Work:
    """Return what a message asks for."""
    return Work(*message.payload[0])


def _put_back(messages: list[Message]) -> None:
    """Raises ConnectionError where that cannot be done either; the visibility timeout brings them back then.

    Celery answers this by connecting anew. It fetches no more than it was given back, so that a worker that kept such
    messages to itself would wait for ever.
    """
    for message in messages:
        try:
            message.reject(requeue=True)
        except (RedisError, OSError) as error:
            raise RedisConnectionError("messages that are not done could not be put back") from error
