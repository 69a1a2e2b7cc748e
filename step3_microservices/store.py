"""Pictures, answers and replies in Redis, which gateway and worker put there for each other, each with a time to live.

A picture's input lies under its digest (a claim check), so that a task needs to carry no more than that. Whoever asks
for an answer which is not there yet joins those who wait for it; only the first of them sends a task.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any, NamedTuple, cast

from redis import Redis
from redis.client import Pipeline
from redis.exceptions import NoScriptError

from step3_microservices.contract import (
    INTERACTIVE,
    JOBS,
    QUEUE_TTL_S,
    Failure,
    Result,
    Work,
    answer_key,
    input_key,
    unpack,
)

_DELIVERIES_TTL_S = 3600
_INPUT_OUTLIVES_MS = 30_000  # whoever waits for the answer: a task may be delivered a second time
# Inputs that were answered are kept a while for feedback, but no more of them than fit into some tens of megabytes.
_INPUTS_KEPT, _INPUT_KEPT_S = 100, 600
_BLOCK_S = 2.0  # below the socket's time-out, or a long wait would look like a lost connection

# Each script is one step that nobody can come between.
_LOOK_UP = """
local found = {redis.call('LLEN', KEYS[1])}
local upload = KEYS[2] ~= '' and redis.call('GET', KEYS[2])
local answer = upload and redis.call('GET', 'answer:' .. ARGV[1] .. ':' .. string.sub(upload, 1, 64) .. ARGV[2])
if answer then found[2], found[3] = upload, answer end
return found
"""
_ASK = """
local answer = redis.call('GET', KEYS[1])
if answer then return {'answered', answer} end
if redis.call('EXISTS', KEYS[3]) == 0 then
    local queued = redis.call('LLEN', KEYS[4])
    if queued >= tonumber(ARGV[3]) then return {'full', queued} end
    redis.call('SET', KEYS[3], ARGV[1], 'PX', ARGV[2])
    if KEYS[5] ~= '' then redis.call('SET', KEYS[5], ARGV[5], 'PX', ARGV[6]) end
    redis.call('LPUSH', KEYS[4], ARGV[4])
    redis.call('EXPIRE', KEYS[4], ARGV[7])
end
redis.call('SADD', KEYS[2], ARGV[1])
redis.call('PEXPIRE', KEYS[2], ARGV[2])
return {'waits', ''}
"""
_FINISH = """
if tonumber(ARGV[2]) > 0 then redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2]) end
for _, id in ipairs(redis.call('SMEMBERS', KEYS[2])) do
    redis.call('RPUSH', 'reply:' .. id, ARGV[1])
    redis.call('PEXPIRE', 'reply:' .. id, ARGV[3])
end
redis.call('DEL', KEYS[2], KEYS[3])
if redis.call('EXISTS', KEYS[4]) == 1 then
    redis.call('RENAME', KEYS[4], 'kept:' .. ARGV[4])
    redis.call('EXPIRE', 'kept:' .. ARGV[4], ARGV[6])
    redis.call('LPUSH', 'kept', ARGV[4])
    redis.call('EXPIRE', 'kept', ARGV[6])
    local oldest = redis.call('LLEN', 'kept') > tonumber(ARGV[5]) and redis.call('RPOP', 'kept')
    if oldest then redis.call('DEL', 'kept:' .. oldest) end
end
"""


class Found(NamedTuple):
    """What a gateway finds before it looks at a picture: how many wait, and, of one answered before, all that matters.

    `known` is what was remembered of the upload, with the digest of the model's input as `digest`.
    """

    queued: int
    known: dict[str, Any] | None
    result: Result | None


class Asked(NamedTuple):
    """What became of a question: a result that was there, or no room; or else the asker waits."""

    result: Result | None
    queued: int | None  # how many wait, where there is no room for one more


@dataclass(frozen=True)
class Question:
    """A picture for the queue; `upload` names what it was made from, of which `known` is remembered."""

    work: Work
    message: str  # the task, as Celery sends it
    picture: bytes
    upload: str | None
    known: dict[str, Any]


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
        self._look_up = redis.register_script(_LOOK_UP)
        self._ask = redis.register_script(_ASK)
        self._finish = redis.register_script(_FINISH)

    # --- for the gateway ----------------------------------------------------------------------------------------------

    def look_up(self, upload: str | None, model_version: str, *, explained: bool) -> Found:
        """Return how many interactive pictures wait; and what is here of an upload, by its name."""
        key = f"upload:{upload}" if upload else ""
        queued, *rest = self._look_up(keys=[INTERACTIVE, key], args=[model_version, ":explained" * explained])
        result = unpack(rest[1]) if rest else None
        if not isinstance(result, Result):
            return Found(int(queued), None, None)
        return Found(int(queued), {"digest": rest[0][:64].decode(), **json.loads(rest[0][64:])}, result)

    def ask(self, question: Question, reply: str, *, ttl_s: float, max_queued: int) -> Asked:
        """Return the answer, or wait for it under the name `reply`; the first who does puts the task into its queue.

        The task's input is there before it, and all else is one step, so that there is never one without the other.
        """
        work, key = question.work, question.work.answer_key
        upload = f"upload:{question.upload}" if question.upload else ""
        ttl_ms = max(1, ceil(ttl_s * 1e3))

        def fill(pipe: Pipeline) -> None:
            pipe.set(work.input_key, question.picture, px=ttl_ms + _INPUT_OUTLIVES_MS)
            keys = [f"answer:{key}", f"waiting:{key}", f"flight:{key}", INTERACTIVE, upload]
            known = work.digest + json.dumps(question.known)
            args: list[str | int] = [
                reply,
                ttl_ms,
                max_queued,
                question.message,
                known,
                self._answer_ttl_ms,
                QUEUE_TTL_S,
            ]
            pipe.evalsha(self._ask.sha, len(keys), *keys, *args)

        *_, (said, value) = self._execute(fill)
        if said == b"answered":
            return Asked(cast("Result", unpack(value)), None)  # failures are not kept
        return Asked(None, int(value) if said == b"full" else None)

    def wait(self, reply: str, timeout_s: float) -> Result | Failure | None:
        """Wait for a reply; None where none comes in time."""
        popped = self.redis.blpop([f"reply:{reply}"], timeout=min(timeout_s, _BLOCK_S))
        return unpack(cast("bytes", popped[1])) if popped else None

    def picture(self, digest: str) -> bytes | None:
        """Return a picture's input, while it is still here."""
        kept = self.redis.get(f"kept:{digest}") or self.redis.get(input_key(digest))
        return cast("bytes | None", kept)

    def answer(self, digest: str, model_version: str) -> Result | None:
        """Return what a model has found in a picture, by the digest of its input, while that is still known."""
        names = [answer_key(model_version, digest, explained=explained) for explained in (False, True)]
        found = next(filter(None, self.redis.mget([f"answer:{name}" for name in names])), None)
        result = unpack(cast("bytes", found)) if found else None
        return result if isinstance(result, Result) else None

    # --- for the worker -----------------------------------------------------------------------------------------------

    def take(self, works: Sequence[Work], write: Callable[[Pipeline], None]) -> tuple[dict[Work, Taken], int]:
        """Return what is here of each work, after whatever else is to be written; and how many wait in both queues."""
        with self.redis.pipeline(transaction=False) as pipe:
            write(pipe)
            for work in works:
                pipe.get(f"answer:{work.answer_key}")
                pipe.get(work.input_key)
            pipe.llen(INTERACTIVE)
            pipe.llen(JOBS)
            *found, interactive, jobs = pipe.execute()
        found = found[-2 * len(works) :]
        taken = map(Taken, found[::2], found[1::2])
        return dict(zip(works, taken, strict=True)), interactive + jobs

    def count_delivery(self, work: Work) -> int:
        """Return how often work has been delivered again, this time included."""
        key = f"deliveries:{work.job_id or work.answer_key}"
        with self.redis.pipeline(transaction=False) as pipe:
            pipe.incr(key)
            pipe.expire(key, _DELIVERIES_TTL_S)
            return int(pipe.execute()[0])

    def finish(self, outcomes: Sequence[tuple[Work, bytes, str | None]]) -> None:
        """Give each outcome to all who wait for it; keep it as the answer of that key, where there is one."""

        def fill(pipe: Pipeline) -> None:
            for work, packed, kept_under in outcomes:
                asked = work.answer_key
                keys = [f"answer:{kept_under or asked}", f"waiting:{asked}", f"flight:{asked}", work.input_key]
                ttl_ms = self._answer_ttl_ms if kept_under else 0
                args: list[str | int | bytes] = [
                    packed,
                    ttl_ms,
                    self._reply_ttl_ms,
                    work.digest,
                    _INPUTS_KEPT,
                    _INPUT_KEPT_S,
                ]
                pipe.evalsha(self._finish.sha, len(keys), *keys, *args)

        if outcomes:
            self._execute(fill)

    def _execute(self, fill: Callable[[Pipeline], None]) -> list[Any]:
        """Send commands in one round trip; redis-py's own scripts would take a second one, to ask for the script."""
        try:
            with self.redis.pipeline(transaction=False) as pipe:
                fill(pipe)
                return pipe.execute()
        except NoScriptError:  # a Redis that was started anew
            for script in (self._ask, self._finish):
                self.redis.script_load(script.script)
            with self.redis.pipeline(transaction=False) as pipe:
                fill(pipe)
                return pipe.execute()
