"""Celery's Redis transport with two differences, both in what it keeps of tasks that are in work.

It has a time to live like everything else; and it is written by whoever does the task, together with what they have to
say to Redis anyway, since each round trip is a good part of what a picture waits for.
"""

from collections.abc import Sequence
from time import time
from typing import Any

from kombu.transport import redis, virtual
from kombu.utils.encoding import bytes_to_str
from kombu.utils.json import dumps, loads
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

    def get_many(self, queue: str, count: int) -> list[Any]:
        """Take up to so many messages from a queue, in one round trip.

        Kombu's `basic_get` takes one, and renews the queue's TTL in a further trip; here whoever fills it does that.
        """
        key = self._q_for_pri(queue, 0)  # type: ignore[no-untyped-call]
        with self.conn_or_acquire() as client, client.pipeline(transaction=False) as pipe:
            for _ in range(count):  # RPOP of several at once is of Redis 6.2 and later
                pipe.rpop(key)
            found = [loads(bytes_to_str(one)) for one in pipe.execute() if one]  # type: ignore[no-untyped-call]
        messages = [self.Message(one, channel=self) for one in found]  # type: ignore[no-untyped-call]
        for message in messages:
            self.qos.append(message, message.delivery_tag)
        return messages


class Transport(redis.Transport):
    """To be named as Celery's `broker_transport`."""

    Channel = _Channel
