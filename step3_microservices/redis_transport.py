"""Celery's Redis transport, but for one thing: what it keeps of tasks in work has a time to live as well."""

from time import time
from typing import Any

from kombu.transport import redis, virtual
from kombu.utils.json import dumps

_UNACKED_TTL_S = 24 * 3600


class _QoS(redis.QoS):
    """Keeps delivered messages until they are acknowledged, but not for ever where nobody is left to do so."""

    def append(self, message: Any, delivery_tag: str) -> None:  # noqa: ANN401 - kombu has no types
        """Remember a delivered message: kombu's own, in the same round trip as the times to live."""
        delivery = message.delivery_info
        kept = dumps([message._raw, delivery["exchange"], delivery["routing_key"]])  # type: ignore[no-untyped-call]
        with self.channel.conn_or_acquire() as client, client.pipeline(transaction=False) as pipe:
            pipe.hset(self.unacked_key, delivery_tag, kept)
            pipe.zadd(self.unacked_index_key, {delivery_tag: time()})
            pipe.expire(self.unacked_index_key, _UNACKED_TTL_S)
            pipe.expire(self.unacked_key, _UNACKED_TTL_S)
            pipe.execute()
        virtual.QoS.append(self, message, delivery_tag)  # type: ignore[no-untyped-call]


class _Channel(redis.Channel):
    QoS = _QoS


class Transport(redis.Transport):
    """To be named as Celery's `broker_transport`."""

    Channel = _Channel
