"""Whether another try of a dead letter makes sense, and the task that goes out."""

import pytest

from cli.inspect.retry import again, why_not
from tests.inspection import record, slot, task

FRAMES = (0, 20)


def test_a_task_that_is_still_awaited_can_be_tried_again() -> None:
    assert why_not(task(), record(), FRAMES, None) is None
    assert why_not(task(), record(next_frame=8), FRAMES, slot(8)) is None


@pytest.mark.parametrize(
    ("obstacle", "said"),
    [
        ((None, record(), FRAMES, None), "not those of a task"),
        ((task(), None, FRAMES, None), "its session has ended"),
        ((task(), record(epoch=3), FRAMES, None), "of epoch 0, the session in 3"),
        ((task(), record(next_frame=12), FRAMES, None), "the session has shown 12 frames"),
        ((task(), record(), FRAMES, slot(104)), "frame 104 is already in the slot of frame 8"),
        ((task(), record(), (9, 20), None), "holds frames 9 to 20, the task needs 8 to 11"),
        ((task(), record(), (0, 10), None), "holds frames 0 to 10"),
        ((task(), record(), None, None), "the audio ring holds nothing"),
    ],
)
def test_what_stands_against_another_try_is_said(obstacle: tuple[object, ...], said: str) -> None:
    assert said in str(why_not(*obstacle))  # type: ignore[arg-type]


def test_a_task_of_one_frame_can_be_tried_again() -> None:
    assert why_not(task(first=8, count=1), record(), (8, 8), None) is None


def test_a_retried_task_has_as_much_time_as_at_first_and_begins_anew() -> None:
    tried = again(task(timings="audio=1/2"), now_ms=9000.0)
    assert (tried.sent_ms, tried.deadline_ms, tried.timings) == (9000.0, 11_000.0, "")
    assert (tried.first, tried.count, tried.epoch, tried.ingest_ms) == (8, 4, 0, 1000.0)
