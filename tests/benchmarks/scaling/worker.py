"""What one worker does, as it was measured: InceptionV3 in int8 on two cores, up to four pictures in a call.

The figures are those that `python -m tests.benchmarks.curves batching` has drawn into step3_microservices/pictures.
Load client and gateway had the same two cores there, so that a worker which has two for itself does more.
"""

ALONE_PER_S = 39  # one client: each picture is a call of its own
BUSY_PER_S = 49  # eight clients: calls of four
MAX_BATCH_SIZE = 4
START_TO_READY_S = 1.0  # `microservices.footprint`: from start to the first right answer

_EACH_S = (MAX_BATCH_SIZE / BUSY_PER_S - 1 / ALONE_PER_S) / (MAX_BATCH_SIZE - 1)
_FIXED_S = 1 / ALONE_PER_S - _EACH_S


def call_s(pictures: int) -> float:
    """Return how long a call takes, in seconds."""
    return _FIXED_S + _EACH_S * pictures
