"""What a played loop is summed up to, from one that never was."""

from collections.abc import Mapping
from typing import Any, Final

import pytest

from tests.chaos.talk import Recording, Seen
from tests.scaling.autoscaler import Decision
from tests.scaling.hpa import Seen as Look
from tests.scaling.play import STAGE, Course, Moment, Played, phases, scenario_of
from tests.scaling.summary import summary_of

SCENARIO: Final = scenario_of(minutes=0.75)
COURSE: Final = Course(1, rose_s=4.5, fell_s=19.5)
P95_S: Final[dict[str, float | None]] = {"served": 0.1, "after": 0.05}


def decision(at_s: float, pods: int, then: int) -> Decision:
    return Decision(Look(at_s, pods, pods, (0.0, 0.0)), then)


def moment(at_s: float, pods: int, ready: int) -> Moment:
    return Moment(at_s, 1, {STAGE: pods}, {STAGE: ready}, None, 0.0, 0.0)


def played(decisions: list[Decision], seen: list[Seen], p95_s: Mapping[str, float | None] = P95_S) -> Played:
    reference = Recording("r", 0, 0.0, [Seen(frame, 0.0, False, b"") for frame in range(3)], ended=True)
    heard = Recording("h", 0, 0.0, seen, ended=True)
    return Played(SCENARIO, COURSE, 100.0, 0.1, [], {STAGE: decisions}, [heard], reference, [], [], p95_s)


def heard(*frames: int) -> list[Seen]:
    return [Seen(frame, 100.0 + frame, False, b"") for frame in frames]


FOLLOWS: Final = [decision(100, 2, 2), decision(106, 2, 4), decision(130, 4, 3), decision(133, 3, 2)]


def test_a_pool_that_followed_a_load_is_summed_up() -> None:
    summary = summary_of(played(FOLLOWS, heard(0, 1, 2)))
    assert (summary.floor, summary.peak, summary.last) == (2, 4, 2)
    assert (summary.rises_s, summary.falls_s) == ([6.0], [30.0, 33.0])
    assert summary.is_clean


@pytest.mark.parametrize(
    "change",
    [
        {"seen": heard(0, 2)},
        {"seen": heard(0, 1, 1, 2)},
        {"seen": heard(0, 2, 1)},
        {"decisions": FOLLOWS[:1]},
        {"decisions": FOLLOWS[:3]},
        {"p95_s": P95_S | {"served": 0.6}},
        {"p95_s": P95_S | {"rising": 0.6}},
        {"p95_s": P95_S | {"after": None}},
    ],
    ids=[
        "missing",
        "twice",
        "out of order",
        "never grew",
        "stayed large",
        "slow",
        "slow while pods start",
        "nobody heard anything",
    ],
)
def test_nothing_that_went_wrong_is_clean(change: dict[str, Any]) -> None:
    well: dict[str, Any] = {"decisions": FOLLOWS, "seen": heard(0, 1, 2)}
    assert not summary_of(played(**well | change)).is_clean


def test_who_is_served_is_served_from_when_the_last_pod_is_ready() -> None:
    moments = [moment(0, 2, 2), moment(6, 4, 2), moment(9, 4, 4), moment(30, 3, 3), moment(40, 2, 2)]
    assert phases(COURSE, moments) == {
        "calm": (0.0, 4.5), "rising": (4.5, 9), "served": (9, 19.5), "after": (19.5, 40),
    }  # fmt: skip


def test_a_pool_whose_pods_come_too_late_serves_nobody() -> None:
    assert "served" not in phases(COURSE, [moment(0, 2, 2), moment(6, 4, 2), moment(25, 4, 4)])
