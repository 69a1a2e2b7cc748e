"""Work ahead on threads, in order, within bounds, and in batches that wait for nobody."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from multiprocessing.pool import AsyncResult, ThreadPool
from os import cpu_count
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

_LONGEST_WAIT_S = 0.05  # many times what decoding takes, and nothing to a person


def prefetch(
    function: Callable[[Item], Result], items: Iterable[Item], *, batch_size: int
) -> Iterator[list[tuple[Item, Result]]]:
    """Yield items with `function(item)` in their order, in batches, while threads compute those of the next two.

    A batch waits for its first result, and no longer than a blink for each further one: a picture that is slow to come
    holds nobody up who is before it. The bound on what is ahead keeps memory flat however many items there are. The
    threads are daemons, unlike those of concurrent.futures: after Ctrl-C nobody waits for a download that hangs.
    """
    remaining = iter(items)
    waiting: deque[tuple[Item, AsyncResult[Result]]] = deque()
    with ThreadPool(min(4, cpu_count() or 1)) as pool:
        while True:
            for item in islice(remaining, 3 * batch_size - len(waiting)):
                waiting.append((item, pool.apply_async(function, (item,))))
            if not waiting:
                return
            batch = [waiting.popleft()]
            batch[0][1].wait()
            while waiting and len(batch) < batch_size and _comes_soon(waiting[0][1]):
                batch.append(waiting.popleft())
            yield [(item, result.get()) for item, result in batch]


def _comes_soon(result: AsyncResult[Result]) -> bool:
    result.wait(_LONGEST_WAIT_S)
    return result.ready()
