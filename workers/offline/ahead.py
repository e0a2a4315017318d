"""Work done ahead of whoever waits for it, in threads, without changing its order."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from queue import SimpleQueue
from typing import TypeVar

_T = TypeVar("_T")
_R = TypeVar("_R")


def ahead(function: Callable[[_T], _R], items: Iterable[_T], workers: int = 1, depth: int = 3) -> Iterator[_R]:
    """The function of each item, in order, made in `workers` threads up to `depth` items ahead of the caller.

    The items themselves are taken in the caller's thread. What the function raises is raised in its place.
    """
    coming_items = iter(items)
    pool = ThreadPoolExecutor(workers)
    try:
        coming = deque(pool.submit(function, item) for item in islice(coming_items, depth))
        while coming:
            result = coming.popleft().result()
            coming.extend(pool.submit(function, item) for item in islice(coming_items, 1))
            yield result
    finally:
        pool.shutdown(cancel_futures=True)


def taking_turns(functions: Sequence[Callable[[_T], _R]]) -> Callable[[_T], _R]:
    """One function for as many threads as there are `functions`, each of which is for one thread at a time."""
    idle: SimpleQueue[Callable[[_T], _R]] = SimpleQueue()
    for function in functions:
        idle.put(function)

    def whichever_is_idle(item: _T) -> _R:
        function = idle.get()
        try:
            return function(item)
        finally:
            idle.put(function)

    return whichever_is_idle
