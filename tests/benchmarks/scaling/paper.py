"""How much of everything a rate takes, by arithmetic alone: none of it was run at such a size."""

from collections.abc import Iterator
from math import ceil

from tests.benchmarks.scaling.comparison import worker_hourly
from tests.benchmarks.scaling.simulation import MAX_QUEUED
from tests.benchmarks.scaling.worker import BUSY_PER_S

LOAD = 0.7  # of a worker, where one picture each is waiting or in work
INPUT_BYTES = 299 * 299 * 3  # a picture in Redis, once in and once out: the model's own input
PICTURE_BYTES = 100_000  # a photograph on its way in, as in step 3's benchmarks
COMMANDS = 13  # of Redis, for a picture that nobody has asked for before (the lessons of step 3)
# Assumed: what one Redis does on its core, what its network carries, and how long a picture keeps a gateway's core.
REDIS_COMMANDS_PER_S, REDIS_BYTES_PER_S, GATEWAY_MS, GATEWAY_LOAD = 80_000, 600e6, 8, 0.7


def needs(per_s: float) -> Iterator[tuple[str, str]]:
    """Yield what so many new pictures a second take."""
    workers = ceil(per_s / (BUSY_PER_S * LOAD))
    by_commands, by_bytes = per_s * COMMANDS / REDIS_COMMANDS_PER_S, per_s * 2 * INPUT_BYTES / REDIS_BYTES_PER_S
    yield "into the load balancer", f"{per_s * PICTURE_BYTES * 8 / 1e9:.1f} Gbit/s"
    yield "gateways' cores", f"{ceil(per_s * GATEWAY_MS / 1000 / GATEWAY_LOAD)}"
    yield "workers", f"{workers}, {2 * workers} cores"
    yield "Redis, by commands and by bytes", f"{ceil(by_commands)}, {ceil(by_bytes)}"
    yield "MAX_QUEUED for the time that 32 are for two workers", f"{MAX_QUEUED * workers // 2:,}"
    hourly = workers * worker_hourly()
    yield "dollars an hour for workers", f"{hourly:,.2f}"
    yield "dollars for a million pictures, workers alone", f"{hourly / per_s / 3600 * 1e6:.2f}"
