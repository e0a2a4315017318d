"""What dies in cycles goes soon, however much the process holds."""

import gc
import weakref
from collections.abc import Iterator

import pytest

from common.garbage import spare_what_lasts

SESSIONS = 300


class Session:
    """Dies in a cycle, as whatever ends by an exception does."""

    def __init__(self) -> None:
        self.parts = [[self] for _ in range(40)]


@pytest.fixture
def collector() -> Iterator[None]:
    thresholds = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*thresholds)


def visits() -> int:
    """How many sessions of many are still there when the last has gone; each outlives the youngest generations."""
    living: list[Session] = []
    there = []
    for _ in range(SESSIONS * 10):
        living.append(Session())
        there.append(weakref.ref(living[-1]))
        del living[:-SESSIONS]
    return sum(ref() is not None for ref in there) - len(living)


def test_the_dead_do_not_wait_for_as_many_as_a_quarter_of_what_lasts(collector: None) -> None:
    ballast: list[list[int]] = [[] for _ in range(1_000_000)]
    spare_what_lasts()
    assert gc.get_freeze_count() > len(ballast)
    assert visits() < SESSIONS * 7
