"""Step 2 under people's worst: 5,000 ruined uploads, three times over, then 32 clients at once who never pause."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle, islice, takewhile
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic

import psutil
import requests

from tests.app.serving import Served, serving
from tests.benchmarks.load import Client, multipart
from tests.benchmarks.photographs import write_photographs
from tests.model.test_images_damage import ruins

UPLOADS, ROUND = 5000, 500
CLIENTS = 32
PASSES = 3  # the C library keeps for each thread what it once needed: that is settled after two
MOST_GROWTH = 1.05  # of the memory from the second pass to the third


def soak(seconds: float) -> int:
    """Run both, the clients for that long; return 1 if anything but an answer or a refusal came back."""
    with TemporaryDirectory() as folder, serving("step2_webapp.serve", Path(folder)) as served:
        process = psutil.Process(served.process.pid).children()[0]
        kept = [ruined_uploads(served, process), many_clients(served, seconds, Path(folder))]
        kept.append(process.is_running())
        return int(not all(kept))


def ruined_uploads(served: Served, process: psutil.Process) -> bool:
    """Send damaged, truncated, mislabelled and random files; each is answered or refused, and memory stays."""
    statuses: Counter[int] = Counter()
    resident_mb = []
    with ThreadPoolExecutor(4) as clients, requests.Session() as session:
        for seed in [*range(UPLOADS // ROUND)] * PASSES:
            answers = clients.map(
                lambda ruin: session.post(f"{served.address}/v1/classify", data=ruin, timeout=60), ruins(ROUND, seed)
            )
            statuses.update(answer.status_code for answer in answers)
            resident_mb.append(process.memory_info().rss / 1e6)
            print(f"{statuses.total():,} ruined uploads: {dict(statuses)}, {resident_mb[-1]:.0f} MB", flush=True)
    return set(statuses) <= {200, 400, 413, 415, 422} and _peak(resident_mb, 3) < MOST_GROWTH * _peak(resident_mb, 2)


def _peak(resident_mb: list[float], number: int) -> float:
    rounds = len(resident_mb) // PASSES
    return max(resident_mb[(number - 1) * rounds : number * rounds])


def many_clients(served: Served, seconds: float, folder: Path) -> bool:
    """Let many clients ask without a pause; an answer that is not 200, or none, ends the run with an exception."""
    bodies = [multipart(path.read_bytes()) for path in write_photographs(folder, 20)]
    client, deadline = Client(served.address), monotonic() + seconds

    def ask(number: int) -> list[float]:
        pictures = takewhile(lambda _: monotonic() < deadline, islice(cycle(bodies), number, None))
        return [client.classify(body) for body in pictures]

    with ThreadPoolExecutor(CLIENTS) as clients:
        times = sorted(time for its in clients.map(ask, range(CLIENTS)) for time in its)
    print(f"{CLIENTS} clients for {seconds:.0f} s: {len(times):,} answers, none missing; slowest {times[-1]:.2f} s")
    return True
