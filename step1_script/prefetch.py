"""Work ahead on threads, in order, within bounds, and in batches that wait for nobody."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from itertools import islice
from multiprocessing.pool import ThreadPool
from os import cpu_count
from queue import Empty, SimpleQueue
from typing import Generic, NoReturn, TypeVar

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
    waiting: deque[_Outcome[Item, Result]] = deque()
    with ThreadPool(min(4, cpu_count() or 1)) as pool:
        while True:
            waiting.extend(_Outcome(pool, function, item) for item in islice(remaining, 3 * batch_size - len(waiting)))
            if not waiting:
                return
            batch = [waiting.popleft()]
            batch[0].wait()
            while waiting and len(batch) < batch_size and waiting[0].wait(_LONGEST_WAIT_S):
                batch.append(waiting.popleft())
            yield [(outcome.item, outcome.result()) for outcome in batch]


class _Outcome(Generic[Item, Result]):
    """What a thread of the pool makes of one item.

    The main thread waits in one call of a queue written in C. The waits of `threading` are Python, and a Ctrl-C in the
    middle of one ends in "release unlocked lock" where it should end in KeyboardInterrupt.
    """

    def __init__(self, pool: ThreadPool, function: Callable[[Item], Result], item: Item) -> None:
        self.item = item
        self._arrivals: SimpleQueue[Callable[[], Result]] = SimpleQueue()
        self._arrived: Callable[[], Result] | None = None
        pool.apply_async(
            function,
            (item,),
            callback=lambda result: self._arrivals.put(lambda: result),
            error_callback=lambda error: self._arrivals.put(lambda: _raise(error)),
        )

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait for the result, for ever or so long; return whether it is there."""
        if self._arrived is None:
            with suppress(Empty):
                self._arrived = self._arrivals.get(timeout=timeout_s)
        return self._arrived is not None

    def result(self) -> Result:
        """Return what the function returned, or raise what it raised."""
        arrived = self._arrived or self._arrivals.get()
        return arrived()


def _raise(error: BaseException) -> NoReturn:
    raise error
