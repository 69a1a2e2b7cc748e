"""Which workers are there, and which model they serve: each says so once a second, and is forgotten when it stops."""

import json
from dataclasses import asdict, dataclass
from time import time
from typing import Self, cast

from redis import Redis

from step3_microservices.contract import ModelCard

PRESENT_FOR_S = 10  # so long may a worker that was killed take to come back, before gateways refuse work
_CARD_TTL_S = 2 * 24 * 3600  # longer than any answer that was made with it is kept


@dataclass(frozen=True)
class Worker:
    """One worker process, as it describes itself."""

    name: str
    model_version: str
    serving_since: float  # Unix time, in seconds, of this model; the newest model is the one that gateways ask for
    images_per_s: float  # that it can do, from the batches it has measured; 0 before the first

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Read what `announce` has written."""
        return cls(**json.loads(text))


def announce(redis: Redis, worker: Worker, card: ModelCard) -> None:
    """Say that this worker is there with this model, for the next seconds."""
    with redis.pipeline(transaction=False) as pipe:
        pipe.set(f"worker:{worker.name}", json.dumps(asdict(worker)), ex=PRESENT_FOR_S)
        pipe.zadd("workers", {worker.name: time() + PRESENT_FOR_S})
        pipe.zremrangebyscore("workers", 0, time())
        pipe.expire("workers", _CARD_TTL_S)
        pipe.set(f"model:{card.version}", card.json, ex=_CARD_TTL_S)
        pipe.execute()


def retire(redis: Redis, name: str) -> None:
    """Say that this worker is no longer there."""
    with redis.pipeline(transaction=False) as pipe:
        pipe.delete(f"worker:{name}")
        pipe.zrem("workers", name)
        pipe.execute()


def workers(redis: Redis) -> list[Worker]:
    """Return the workers that are there."""
    names = cast("list[bytes]", redis.zrangebyscore("workers", time(), "+inf"))
    found = redis.mget([f"worker:{name.decode()}" for name in names]) if names else []
    return [Worker.from_json(text) for text in found if text]


def newest_first(redis: Redis) -> list[Worker]:
    """Return the workers that are there, those with the newest model first: it is the one that answers."""
    return sorted(workers(redis), key=lambda worker: -worker.serving_since)


def model_card(redis: Redis, model_version: str) -> ModelCard | None:
    """Return the card of a model that is, or has lately been, served."""
    text = redis.get(f"model:{model_version}")
    return ModelCard.from_json(text) if text else None
