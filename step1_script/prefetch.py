"""Work ahead on threads, in order and within bounds."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from multiprocessing.pool import AsyncResult, ThreadPool
from os import cpu_count
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def prefetch(function: Callable[[Item], Result], items: Iterable[Item], *, ahead: int) -> Iterator[tuple[Item, Result]]:
    """Yield each item with `function(item)`, in order, while threads compute at most `ahead` of the next ones.

    The bound keeps memory flat however many items there are. The threads are daemons, unlike those of
    concurrent.futures: after Ctrl-C nobody waits for a download that hangs.
    """
    waiting: deque[tuple[Item, AsyncResult[Result]]] = deque()
    with ThreadPool(min(4, cpu_count() or 1)) as pool:
        for item in items:
            waiting.append((item, pool.apply_async(function, (item,))))
            if len(waiting) > ahead:
                done, result = waiting.popleft()
                yield done, result.get()
        while waiting:
            done, result = waiting.popleft()
            yield done, result.get()
