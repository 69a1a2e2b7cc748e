"""Celery's Redis transport with two differences, both in what it keeps of tasks that are in work.

It has a time to live like everything else; and it is written by whoever does the task, together with what they have to
say to Redis anyway, since each round trip is a good part of what a picture waits for.
"""

from collections.abc import Sequence
from time import time
from typing import Any

from kombu.transport import redis, virtual
from kombu.utils.json import dumps
from redis.client import Pipeline

_UNACKED_TTL_S = 24 * 3600


class QoS(redis.QoS):
    """Keeps delivered messages until they are acknowledged, but not for ever where nobody is left to do so."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - kombu has no types
        """Begin with nothing to write."""
        super().__init__(*args, **kwargs)  # type: ignore[no-untyped-call]
        self._unwritten: list[tuple[str, str]] = []

    def append(self, message: Any, delivery_tag: str) -> None:  # noqa: ANN401 - kombu has no types
        """Remember a delivered message, in this process; `write` must follow before it is worked on."""
        delivery = message.delivery_info
        kept = dumps([message._raw, delivery["exchange"], delivery["routing_key"]])  # type: ignore[no-untyped-call]
        self._unwritten.append((delivery_tag, kept))
        virtual.QoS.append(self, message, delivery_tag)  # type: ignore[no-untyped-call]

    def write(self, pipe: Pipeline) -> None:
        """Let these commands keep the messages that were delivered in Redis, where another worker finds them."""
        if not self._unwritten:
            return
        now = time()
        for tag, kept in self._unwritten:
            pipe.hset(self.unacked_key, tag, kept)
            pipe.zadd(self.unacked_index_key, {tag: now})
        pipe.expire(self.unacked_index_key, _UNACKED_TTL_S)
        pipe.expire(self.unacked_key, _UNACKED_TTL_S)
        self._unwritten.clear()

    def ack_together(self, tags: Sequence[str]) -> None:
        """Acknowledge several messages in one round trip."""
        with self.channel.conn_or_acquire() as client, client.pipeline(transaction=False) as pipe:
            pipe.zrem(self.unacked_index_key, *tags)
            pipe.hdel(self.unacked_key, *tags)
            pipe.execute()
        for tag in tags:
            virtual.QoS.ack(self, tag)  # type: ignore[no-untyped-call]


class _Channel(redis.Channel):
    QoS = QoS


class Transport(redis.Transport):
    """To be named as Celery's `broker_transport`."""

    Channel = _Channel
