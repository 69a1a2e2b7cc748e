"""Jobs in Redis: a picture whose answer a client comes back for, kept for a stated time from its beginning.

A job is a hash. It begins as queued, and ends as one of done, failed, expired or cancelled; scripts see to it that it
never goes back, whoever else is at it at the same moment, and that a task delivered twice ends it once.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from math import ceil
from time import time
from typing import Any, Self, cast

from redis import Redis

from step3_microservices.contract import JOBS, QUEUE_TTL_S, Work, input_key
from step3_microservices.task_messages import TaskMessages

QUEUED, RUNNING, DONE, FAILED, EXPIRED, CANCELLED = "queued", "running", "done", "failed", "expired", "cancelled"
ENDED = (DONE, FAILED, EXPIRED, CANCELLED)
ENDED_KEY = "jobs:ended"  # a hash of how many have ended, and how

_COUNTERS_TTL_S = 7 * 24 * 3600
_INPUT_OUTLIVES_DEADLINE_S = 60
_LOOKED_AT_ONCE = 100

# `jobs:added` and `jobs:left` count jobs that have come and that wait no longer: their difference is a job's place.
_MOVE = """
local status = redis.call('HGET', KEYS[1], 'status')
if not status then return {'', 0} end
local may = false
for _, from in ipairs(cjson.decode(ARGV[1])) do may = may or from == status end
if not may then return {status, 0} end
if status == 'queued' then
    redis.call('INCR', 'jobs:left')
    local number = tonumber(redis.call('HGET', KEYS[1], 'number'))
    if number > tonumber(redis.call('GET', 'jobs:reached') or 0) then
        redis.call('SET', 'jobs:reached', number, 'EX', ARGV[4])
    end
end
redis.call('HSET', KEYS[1], 'status', ARGV[2])
if ARGV[2] ~= 'running' then
    redis.call('ZREM', 'jobs:open', string.sub(KEYS[1], 5))
    redis.call('HINCRBY', 'jobs:ended', ARGV[2], 1)
    redis.call('EXPIRE', 'jobs:ended', ARGV[4])
end
if ARGV[3] ~= '' then redis.call('HSET', KEYS[1], 'outcome', ARGV[3]) end
redis.call('PUBLISH', KEYS[1], 'moved')
return {status, 1}
"""
_ADD = """
if ARGV[1] ~= '' then
    local known = redis.call('GET', KEYS[2])
    if known then return {known, 0} end
end
if ARGV[6] ~= '' and redis.call('LLEN', KEYS[3]) >= tonumber(ARGV[4]) then
    return {'full', redis.call('LLEN', KEYS[3])}
end
if ARGV[1] ~= '' then redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2]) end
redis.call('HSET', KEYS[1], 'number', redis.call('INCR', 'jobs:added'), unpack(cjson.decode(ARGV[3])))
redis.call('PEXPIRE', KEYS[1], ARGV[2])
if ARGV[6] == '' then
    redis.call('INCR', 'jobs:left')
    redis.call('HSET', KEYS[1], 'outcome', ARGV[7])
else
    redis.call('INCRBY', 'jobs:left', 0)
    redis.call('SET', KEYS[4], ARGV[7], 'PX', ARGV[8])
    redis.call('LPUSH', KEYS[3], ARGV[6])
    redis.call('EXPIRE', KEYS[3], ARGV[9])
    redis.call('ZADD', 'jobs:open', ARGV[10], string.sub(KEYS[1], 5))
    redis.call('EXPIRE', 'jobs:open', ARGV[5])
end
redis.call('EXPIRE', 'jobs:added', ARGV[5])
redis.call('EXPIRE', 'jobs:left', ARGV[5])
return {'', 0}
"""


@dataclass(frozen=True)
class Job:
    """One job as it lies in Redis; `asked` is what its client wanted, `outcome` what a worker has packed."""

    job_id: str
    status: str
    digest: str
    asked: Mapping[str, Any]
    model_version: str
    deadline: float  # Unix time, in seconds, by which it has to begin
    number: int  # in the order of coming, from 1; 0 before it is kept
    position: int | None  # how many begin before it, and itself, while it is queued
    outcome: bytes | None

    def work(self) -> Work:
        """Return what its task asks for."""
        asked = self.asked
        return Work(
            self.digest,
            self.model_version,
            asked["explain"],
            self.deadline,
            time(),
            asked["traceparent"],
            self.job_id,
        )

    @classmethod
    def from_fields(cls, job_id: str, fields: Mapping[bytes, bytes], left: int) -> Self:
        """Read a job's hash."""
        status = fields[b"status"].decode()
        return cls(
            job_id,
            status,
            fields[b"digest"].decode(),
            json.loads(fields[b"asked"]),
            fields[b"model_version"].decode(),
            float(fields[b"deadline"]),
            int(fields[b"number"]),
            max(1, int(fields[b"number"]) - left) if status == QUEUED else None,
            fields.get(b"outcome"),
        )


class JobStore:
    """The jobs; `ttl_s` is how long one is kept, counted from its beginning."""

    def __init__(self, redis: Redis, messages: TaskMessages, *, ttl_s: float, missed_after_s: float) -> None:
        """Use that Redis; `missed_after_s` is how long a task may be on its way before anybody asks where it is."""
        self._messages = messages
        self._missed_after_s = missed_after_s
        self._redis = redis
        self._ttl_ms = ceil(ttl_s * 1e3)
        self._move = redis.register_script(_MOVE)
        self._add = redis.register_script(_ADD)

    def add(
        self, job: Job, picture: bytes | None, *, idempotency: tuple[str, str] | None, max_queued: int
    ) -> str | int | None:
        """Keep a new job and put its task into the queue, in one step; or keep one that has its outcome already.

        `picture` is the model's input, None where there is an outcome. `idempotency` is the client's key, and what it
        stands for: the digest of the whole request. Returns None where the job was added; how many jobs wait, where
        there is no room for it; or what was kept under the client's key: the first job's id and the digest of its
        request, parted by a blank.
        """
        key, request = idempotency or ("", "")
        fields = ["status", job.status, "digest", job.digest, "asked", json.dumps(job.asked)]
        fields += ["model_version", job.model_version, "deadline", str(job.deadline)]
        said, number = self._add(
            keys=[f"job:{job.job_id}", f"idempotency:{key}", JOBS, input_key(job.digest, job.job_id)],
            args=[
                f"{job.job_id} {request}" if key else "",
                self._ttl_ms,
                json.dumps(fields),
                max_queued,
                _COUNTERS_TTL_S,
                self._messages.of(job.work()) if picture else "",
                picture or job.outcome or b"",
                ceil((job.deadline - time() + _INPUT_OUTLIVES_DEADLINE_S) * 1e3),
                QUEUE_TTL_S,
                time() + self._missed_after_s,
            ],
        )
        if said == b"full":
            return int(number)
        return cast("bytes", said).decode() or None

    def send_again(self, job: Job) -> None:
        """Put the task of a job into the queue once more; one too many does no harm."""
        with self._redis.pipeline() as pipe:
            pipe.lpush(JOBS, self._messages.of(job.work()))
            pipe.expire(JOBS, QUEUE_TTL_S)
            pipe.execute()

    def find(self, job_id: str) -> Job | None:
        """Return a job, or None where there is none of that id, or no longer."""
        with self._redis.pipeline() as pipe:
            pipe.hgetall(f"job:{job_id}")
            pipe.get("jobs:left")
            fields, left = pipe.execute()
        return Job.from_fields(job_id, fields, int(left or 0)) if fields else None

    def begin(self, job_id: str) -> bool:
        """Let a job run; False where it has ended, as one that was cancelled, and there is nothing to do."""
        return self._moved(job_id, (QUEUED, RUNNING), RUNNING)[1]

    def end(self, job_id: str, status: str, outcome: bytes) -> None:
        """Let a job end, unless it has."""
        self._moved(job_id, (QUEUED, RUNNING), status, outcome)

    def cancel(self, job_id: str) -> tuple[str, bool]:
        """Cancel a job that has not begun; return the status that it had, and whether it is cancelled now."""
        return self._moved(job_id, (QUEUED,), CANCELLED)

    def _moved(self, job_id: str, before: tuple[str, ...], after: str, outcome: bytes = b"") -> tuple[str, bool]:
        status, moved = self._move(keys=[f"job:{job_id}"], args=[json.dumps(before), after, outcome, _COUNTERS_TTL_S])
        return status.decode(), bool(moved)

    def lost(self) -> list[Job]:
        """Return open jobs whose tasks are nowhere, and which therefore have to be sent again.

        Celery takes a task out of Redis a moment before it notes that the task is in work, so a worker that is killed
        in that moment takes it along. It is known from this: jobs that came after it have begun, or nothing waits.
        """
        now = time()
        overdue = cast("list[bytes]", self._redis.zrangebyscore("jobs:open", 0, now, 0, _LOOKED_AT_ONCE))
        if not overdue:
            return []
        with self._redis.pipeline() as pipe:
            pipe.llen(JOBS)
            pipe.hlen("unacked")
            pipe.get("jobs:reached")
            waiting, in_work, reached = pipe.execute()
        found = []
        for job_id in (name.decode() for name in overdue):
            job = self.find(job_id)
            if job is None or job.status in ENDED:
                self._redis.zrem("jobs:open", job_id)
                continue
            self._redis.zadd("jobs:open", {job_id: now + self._missed_after_s})
            if job.number < int(reached or 0) or not (waiting or in_work):
                found.append(job)
        return found

    def watch(self, job_id: str, interval_s: float) -> Iterator[Job | None]:
        """Yield a job now, whenever it moves, and after each interval, until it has ended or is there no longer."""
        with closing(self._redis.pubsub(ignore_subscribe_messages=True)) as changes:  # type: ignore[no-untyped-call]
            changes.subscribe(f"job:{job_id}")
            changes.get_message(timeout=interval_s)  # that it has subscribed: nothing is missed from here on
            while job := self.find(job_id):
                yield job
                if job.status in ENDED:
                    return
                changes.get_message(timeout=interval_s)
        yield None
