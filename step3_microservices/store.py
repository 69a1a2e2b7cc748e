"""Pictures, answers and replies in Redis, which gateway and worker put there for each other, each with a time to live.

A picture's input lies under its digest (a claim check), so that a task needs to carry no more than that. Whoever asks
for an answer which is not there yet joins those who wait for it; only the first of them sends a task.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any, NamedTuple, cast

from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from step3_microservices.contract import Failure, Result, Work, answer_key, unpack

_CONNECT_TIMEOUT_S = 1.0
_SOCKET_TIMEOUT_S = 5.0
_DELIVERIES_TTL_S = 3600
_BLOCK_S = 2.0  # below the socket's time-out, or a long wait would look like a lost connection

# Each script is one step that nobody can come between.
_RECALL = """
local upload = redis.call('GET', KEYS[1])
if not upload then return {} end
return {upload, redis.call('GET', 'answer:' .. ARGV[1] .. ':' .. string.sub(upload, 1, 64) .. ARGV[2])}
"""
_ASK = """
local answer = redis.call('GET', KEYS[1])
if answer then return {'answered', answer} end
local leads = 'follows'
if redis.call('EXISTS', KEYS[3]) == 0 then
    local queued = redis.call('LLEN', KEYS[4])
    if queued >= tonumber(ARGV[3]) then return {'full', queued} end
    redis.call('SET', KEYS[3], ARGV[1], 'PX', ARGV[2])
    leads = 'leads'
end
redis.call('SADD', KEYS[2], ARGV[1])
redis.call('PEXPIRE', KEYS[2], ARGV[2])
return {leads, ''}
"""
_FINISH = """
if tonumber(ARGV[2]) > 0 then redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2]) end
for _, id in ipairs(redis.call('SMEMBERS', KEYS[2])) do
    redis.call('RPUSH', 'reply:' .. id, ARGV[1])
    redis.call('PEXPIRE', 'reply:' .. id, ARGV[3])
end
redis.call('DEL', KEYS[2], KEYS[3])
"""


def connect(redis_url: str, *, max_connections: int = 16) -> Redis:
    """Return a client that fails within seconds where Redis is gone; it connects when it is first used."""
    return Redis.from_url(
        redis_url,
        max_connections=max_connections,
        socket_connect_timeout=_CONNECT_TIMEOUT_S,
        socket_timeout=_SOCKET_TIMEOUT_S,
        socket_keepalive=True,
        retry=Retry(NoBackoff(), 1),  # one, for a connection that Redis has closed in the meantime
        retry_on_error=[ConnectionError],
    )


class Asked(NamedTuple):
    """What became of a question: a result that was there; or whether this asker has to send the task; or no room."""

    result: Result | None
    leads: bool
    queued: int | None = None  # how many wait, where there is no room for one more


@dataclass(frozen=True)
class Taken:
    """What a worker finds of its work: the answer, where it is delivered a second time, or else the input."""

    answer: bytes | None
    picture: bytes | None


class Store:
    """What lies in Redis; times to live in seconds."""

    def __init__(self, redis: Redis, *, answer_ttl_s: float, reply_ttl_s: float = 60) -> None:
        """Use that Redis; where `answer_ttl_s` is 0, no answer is kept for others."""
        self.redis = redis
        self.caches = answer_ttl_s > 0
        self._answer_ttl_ms = ceil(answer_ttl_s * 1e3)
        self._reply_ttl_ms = ceil(reply_ttl_s * 1e3)
        self._recall = redis.register_script(_RECALL)
        self._ask = redis.register_script(_ASK)
        self._finish = redis.register_script(_FINISH)

    # --- for the gateway ----------------------------------------------------------------------------------------------

    def recall(self, upload: str, model_version: str, *, explained: bool) -> tuple[dict[str, Any], Result] | None:
        """Return what is known of an upload, by the digest of its bytes, and its answer; None unless both are here."""
        if not self.caches:
            return None
        found = self._recall(keys=[f"upload:{upload}"], args=[model_version, ":explained" * explained])
        if len(found) < 2 or found[1] is None:  # noqa: PLR2004 - what the script returns
            return None
        result = unpack(found[1])
        known = {"digest": found[0][:64].decode()} | json.loads(found[0][64:])
        return (known, result) if isinstance(result, Result) else None

    def ask(self, work: Work, reply: str, *, ttl_s: float, max_queued: int, queue: str) -> Asked:
        """Return the answer, or join those who wait for it under the name `reply`, unless too many tasks wait."""
        key = work.answer_key
        said, value = self._ask(
            keys=[f"answer:{key}", f"waiting:{key}", f"flight:{key}", queue],
            args=[reply, max(1, ceil(ttl_s * 1e3)), max_queued],
        )
        if said == b"answered":
            return Asked(unpack(value), leads=False)  # type: ignore[arg-type] # failures are not kept
        if said == b"full":
            return Asked(None, leads=False, queued=int(value))
        return Asked(None, leads=said == b"leads")

    def put(self, digest: str, picture: bytes, ttl_s: float, upload: str | None, known: dict[str, Any]) -> None:
        """Lay a picture's input down under its digest, and what is known of the upload that it comes from."""
        with self.redis.pipeline(transaction=False) as pipe:
            pipe.set(f"input:{digest}", picture, px=ceil(ttl_s * 1e3))
            if self.caches and upload:
                pipe.set(f"upload:{upload}", digest + json.dumps(known), px=self._answer_ttl_ms)
            pipe.execute()

    def give_up(self, work: Work) -> None:
        """Let the next asker send a task, where this one could not."""
        self.redis.delete(f"flight:{work.answer_key}")

    def wait(self, reply: str, timeout_s: float) -> Result | Failure | None:
        """Wait for a reply; None where none comes in time."""
        popped = self.redis.blpop([f"reply:{reply}"], timeout=min(timeout_s, _BLOCK_S))
        return unpack(cast("bytes", popped[1])) if popped else None

    def picture(self, digest: str) -> bytes | None:
        """Return a picture's input, while it is still here."""
        return cast("bytes | None", self.redis.get(f"input:{digest}"))

    def answer(self, digest: str, model_version: str) -> Result | None:
        """Return what a model has found in a picture, by the digest of its input, while that is still known."""
        names = [answer_key(model_version, digest, explained=explained) for explained in (False, True)]
        found = next(filter(None, self.redis.mget([f"answer:{name}" for name in names])), None)
        result = unpack(cast("bytes", found)) if found else None
        return result if isinstance(result, Result) else None

    # --- for the worker -----------------------------------------------------------------------------------------------

    def take(self, works: Sequence[Work]) -> list[Taken]:
        """Return what is here of each work."""
        with self.redis.pipeline(transaction=False) as pipe:
            for work in works:
                pipe.get(f"answer:{work.answer_key}")
                pipe.get(f"input:{work.digest}")
            found = pipe.execute()
        return [Taken(answer, picture) for answer, picture in zip(found[::2], found[1::2], strict=True)]

    def count_delivery(self, work: Work) -> int:
        """Return how often work has been delivered again, this time included."""
        key = f"deliveries:{work.job_id or work.answer_key}"
        with self.redis.pipeline(transaction=False) as pipe:
            pipe.incr(key)
            pipe.expire(key, _DELIVERIES_TTL_S)
            return int(pipe.execute()[0])

    def finish(self, outcomes: Sequence[tuple[Work, bytes, str | None]]) -> None:
        """Give each outcome to all who wait for it; keep it as the answer of that key, where there is one."""
        with self.redis.pipeline(transaction=False) as pipe:
            for work, packed, kept_under in outcomes:
                asked = work.answer_key
                self._finish(
                    keys=[f"answer:{kept_under or asked}", f"waiting:{asked}", f"flight:{asked}"],
                    args=[packed, self._answer_ttl_ms if kept_under else 0, self._reply_ttl_ms],
                    client=pipe,
                )
            pipe.execute()
