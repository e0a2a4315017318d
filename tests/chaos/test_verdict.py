"""The judge finds what is wrong with a recording, and only that."""

from collections.abc import Sequence

import pytest

from tests.chaos.talk import FRAME_S, Recording, Seen
from tests.chaos.verdict import Verdict, drift_ms, judge, stall_ms, worst_stall_ms

LATE_S = 0.3


def recording(numbers: Sequence[int], late_s: dict[int, float] | None = None, **changes: bytes) -> Recording:
    late = late_s or {}
    frames = [Seen(n, 100 + n * FRAME_S + late.get(n, LATE_S), False, changes.get(f"f{n}", b"%d" % n)) for n in numbers]
    return Recording("session-1", 0, 100.0, frames, ended=True)


UNDISTURBED = recording(range(250))


def test_the_undisturbed_run_itself_is_clean() -> None:
    verdict = judge([UNDISTURBED, UNDISTURBED], [UNDISTURBED])
    assert verdict == Verdict(frames=500)
    assert verdict.is_clean


@pytest.mark.parametrize(
    ("disturbed", "fault"),
    [
        (recording([n for n in range(250) if n != 7]), "missing"),
        (recording([*range(8), 7, *range(8, 250)]), "twice"),
        (recording([1, 0, *range(2, 250)]), "out_of_order"),
        (recording(range(250), f7=b"other"), "different"),
    ],
)
def test_each_fault_is_counted(disturbed: Recording, fault: str) -> None:
    verdict = judge([disturbed], [UNDISTURBED])
    assert getattr(verdict, fault) == 1
    assert not verdict.is_clean


def test_a_concealed_frame_is_counted_as_such_and_not_as_a_different_one() -> None:
    disturbed = recording(range(250), f7=b"other")
    disturbed.seen[7] = disturbed.seen[7]._replace(concealed=True)
    assert judge([disturbed], [UNDISTURBED]) == Verdict(frames=250, concealed=1)


def test_a_session_that_broke_off_is_counted() -> None:
    broken = recording(range(100))
    broken.ended = False
    assert judge([broken], [UNDISTURBED]) == Verdict(frames=100, missing=150, cut_off=1)


def test_a_stall_is_what_a_fault_added_to_the_usual_delay() -> None:
    held = {n: LATE_S + 0.5 - (n - 100) * FRAME_S for n in range(100, 112)}
    stalled = recording(range(250), held)
    at_s = 100 + 100 * FRAME_S + LATE_S - 0.01
    assert stall_ms(stalled, at_s) == pytest.approx(500)
    assert worst_stall_ms([UNDISTURBED, stalled], at_s) == pytest.approx(500)
    assert stall_ms(stalled, at_s + 4) == pytest.approx(0, abs=1e-6)


def test_a_stall_that_outlasts_the_time_in_which_faults_are_felt_is_found_too() -> None:
    held = {n: LATE_S + 5 - (n - 100) * FRAME_S for n in range(100, 225)}
    assert stall_ms(recording(range(250), held), 100 + 100 * FRAME_S + LATE_S - 0.01) == pytest.approx(5_000)


def test_who_was_not_speaking_felt_nothing() -> None:
    assert stall_ms(UNDISTURBED, 500.0) is None
    assert worst_stall_ms([UNDISTURBED], 500.0) is None


def test_drift_is_how_much_later_the_end_is_than_the_beginning() -> None:
    drifting = recording(range(250), {n: LATE_S + n * 0.001 for n in range(250)})
    assert drift_ms(UNDISTURBED) == pytest.approx(0, abs=1e-6)
    assert drift_ms(drifting) == pytest.approx(177, abs=10)
