"""Events under kills: the consumer dies again and again in the middle of work, and each event is counted once.

`python -m tests.soak.events` runs it alone.
"""

import random
import socket
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event as Flag

import requests

from step3_microservices.recommender.event_store import EventStore
from tests.app.serving import wait_until
from tests.app.step3.events_system import KEY, RunningConsumer, event_json, start_consumer
from tests.app.step3.recommending import recommending
from tests.app.step3.system import RedisServer, redis_server

EVENTS, AT_ONCE, SENT_TWICE = 100_000, 20, 0.1
KILLS = 20
CLAIM_AFTER_S = "2"


def soak(_seconds: float) -> int:
    """Send all events through the door, a tenth of them twice, and kill the consumer meanwhile; 1 if one is missing."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        database = f"sqlite:///{folder}/analytics.sqlite"
        with redis_server(folder) as redis:
            service = recommending(folder, folder / "store", until_ready=False, REDIS_URL=redis.url)
            with service as served, ThreadPoolExecutor(1) as pool:
                sent = Flag()
                killing = pool.submit(kill_again_and_again, folder, redis, database, sent)
                began = time.monotonic()
                statuses = send(served.address)
                sent.set()
                left, in_hand = killing.result()
            store = EventStore(database)
            wait_until(lambda: redis.client.xlen(KEY) == 0, within_s=120)
            counted = sum(cell.outcome.impressions for cell in store.outcomes(store.days()[0][0]))
            kept, seconds = store.count(), time.monotonic() - began
            store.close()
            left.process.terminate()
            left.process.wait()
    hit = sum(map(bool, in_hand))
    print(
        f"{EVENTS:,} events, a tenth of them twice: answers {dict(statuses)}; {len(in_hand)} kills, of which {hit} "
        f"left {sum(in_hand):,} events in hand; {kept:,} in the database, {counted:,} impressions counted; "
        f"{seconds:.0f} s"
    )
    is_whole = kept == counted == EVENTS and set(statuses) == {202}
    return int(not is_whole or len(in_hand) < KILLS or not hit)


def send(address: str) -> Counter[int]:
    """Send the events in requests of several; return how often each status came."""
    noise = random.Random(1)
    starts = list(range(0, EVENTS, AT_ONCE))
    starts += noise.sample(starts, int(SENT_TWICE * len(starts)))
    session = requests.Session()

    def post(start: int) -> int:
        events = [event_json(number, list_id=f"list-{number}") for number in range(start, start + AT_ONCE)]
        time.sleep(0.04)  # so that kills fall among the work, and not behind it
        return session.post(f"{address}/v1/events", json={"events": events}, timeout=30).status_code

    with ThreadPoolExecutor(4) as clients:
        return Counter(clients.map(post, starts))


def kill_again_and_again(
    folder: Path, redis: RedisServer, database: str, sent: Flag
) -> tuple[RunningConsumer, list[int]]:
    """Kill the consumer in the middle of work, so often; return the one that is left, and what each had in hand."""
    url, noise, store = redis.url, random.Random(2), EventStore(database)
    in_hand = []
    for _ in range(KILLS):
        before = store.count()
        consumer = start_consumer(folder, url, database, CLAIM_AFTER_S=CLAIM_AFTER_S)
        wait_until(lambda before=before: store.count() > before or sent.is_set(), within_s=60)
        time.sleep(0.02 * noise.random())
        consumer.kill()
        name = f"{socket.gethostname()}-{consumer.process.pid}"
        in_hand.append(len(redis.client.xpending_range(KEY, "analytics", "-", "+", EVENTS, consumername=name)))
    store.close()
    return start_consumer(folder, url, database, CLAIM_AFTER_S=CLAIM_AFTER_S), in_hand


if __name__ == "__main__":
    sys.exit(soak(0))
