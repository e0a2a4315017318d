"""Work ahead: same order, bounded, and gone when nobody wants it any more."""

import threading
import time
from collections.abc import Iterator
from itertools import islice

import pytest

from common.errors import AudioError
from workers.offline.ahead import ahead, taking_turns


def itself(item: int) -> int:
    return item


@pytest.mark.parametrize("workers", [1, 3])
def test_results_come_in_order_and_no_further_ahead_than_the_depth(workers: int) -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for item in range(100):
            taken.append(item)
            yield item

    def slow_at_first(item: int) -> int:
        time.sleep(0.02 if item % 3 == 0 else 0)
        return 2 * item

    source = ahead(slow_at_first, items(), workers, depth=3)
    assert list(islice(source, 5)) == [0, 2, 4, 6, 8]
    assert len(taken) <= 5 + 3
    assert list(source) == [2 * item for item in range(5, 100)]


def test_an_error_of_the_function_is_raised_in_its_place() -> None:
    def picky(item: int) -> int:
        if item == 1:
            raise AudioError("broken")
        return item

    source = ahead(picky, range(3))
    assert next(source) == 0
    with pytest.raises(AudioError, match="broken"):
        next(source)


def test_leaving_early_leaves_no_thread_behind() -> None:
    before = set(threading.enumerate())
    source = ahead(itself, ahead(itself, iter(range(1_000))))
    assert next(source) == 0
    source.close()  # type: ignore[attr-defined]
    assert set(threading.enumerate()) <= before


def test_functions_that_take_turns_are_never_entered_twice_at_once() -> None:
    locks = [threading.Lock() for _ in range(2)]

    def guarded(lock: threading.Lock) -> int:
        assert lock.acquire(blocking=False), "entered twice"
        time.sleep(0.001)
        lock.release()
        return 1

    turns = taking_turns([lambda _, lock=lock: guarded(lock) for lock in locks])
    assert sum(ahead(turns, range(40), workers=6, depth=12)) == 40
