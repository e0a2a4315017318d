"""Which frames become tasks, how many together, and which are left out."""

from typing import Any

from common.avatars.package import Avatar
from common.avatars.timeline import OPEN
from common.resample import StreamResampler
from gateway.publishing import SINGLE_FRAMES, Publishing, gathered, is_behind
from gateway.reorder import Reorder
from gateway.rules import SessionRules
from gateway.segmenter import Heard, Segment


def rules(**changes: Any) -> SessionRules:
    usual: dict[str, Any] = {"sample_rate_hz": 16_000, "in_flight_frames": 64, "task_frames": 8, "deadline_ms": 2_000}
    return SessionRules(**({"flush_after_ms": 600} | usual | changes))


def segment(avatar: Avatar, ready: int, base: int = 0, begun_ms: float = 0) -> Segment:
    """An open one with so many frames ready."""
    heard = Segment(0, base, 100, avatar.manifest, Heard(), StreamResampler(16_000), begun_ms)
    while heard.ready < ready:
        heard.push(b"\0\0" * avatar.manifest.samples_per_frame)
    return heard


def awaiting(frames: int, deadline_ms: float = 2_000) -> Reorder:
    reorder = Reorder(40_000)
    reorder.expect(0, frames, deadline_ms)
    return reorder


def test_a_few_frames_go_one_by_one_before_any_are_gathered(tiny_avatar: Avatar) -> None:
    speech, reorder, publishing = segment(tiny_avatar, 0), Reorder(40_000), Publishing(rules())
    sent = []
    for ready in range(1, SINGLE_FRAMES + 4):
        speech.ready = ready
        sent += publishing.publish([speech], reorder, 0)
    assert [(task.first, task.count) for task in sent] == [(k, 1) for k in range(SINGLE_FRAMES)]
    reorder.put(0, b"")
    (together,) = publishing.publish([speech], reorder, 0)
    assert (together.first, together.count) == (SINGLE_FRAMES, 3)


def test_a_full_task_never_waits_but_for_room(tiny_avatar: Avatar) -> None:
    speech = segment(tiny_avatar, 20)
    assert gathered(rules(), speech, awaiting(40), 0) == 8
    assert gathered(rules(in_flight_frames=45), speech, awaiting(40), 0) == 5
    assert gathered(rules(in_flight_frames=40), speech, awaiting(40), 0) == 0


def test_the_rest_of_a_closed_segment_waits_for_nothing(tiny_avatar: Avatar) -> None:
    speech = segment(tiny_avatar, 3)
    assert gathered(rules(), speech, awaiting(SINGLE_FRAMES), 0) == 0
    speech.close(Heard())
    assert gathered(rules(), speech, awaiting(SINGLE_FRAMES), 0) == speech.frames


def test_a_task_says_where_its_frames_lie_and_when_their_audio_had_come(tiny_avatar: Avatar) -> None:
    speech, reorder, publishing = segment(tiny_avatar, 8, base=50), Reorder(40_000), Publishing(rules())
    reorder.clear(epoch=3, next_frame=50)
    (task,) = publishing.publish([speech], reorder, 120)
    assert (task.avatar, task.epoch, task.base, task.first, task.count) == ("tiny", 3, 50, 50, 8)
    assert (task.template, task.samples, task.ingest_ms, task.deadline_ms) == (100, OPEN, 120, 2_120)
    assert reorder.missing() == list(range(50, 58))


def test_a_frame_remembers_when_it_could_first_have_been_made(tiny_avatar: Avatar) -> None:
    publishing = Publishing(rules(in_flight_frames=8))
    publishing.publish([segment(tiny_avatar, 16)], awaiting(8), 40)
    assert publishing.leave(3, 500) == 40
    assert publishing.leave(3, 500) == 500, "once"
    publishing.forget_before(9)
    assert [publishing.leave(frame, 500) for frame in (8, 9)] == [500, 40]
    publishing.clear()
    assert publishing.leave(10, 500) == 500


def test_the_workers_are_behind_when_the_oldest_frame_is_awaited_for_too_long(tiny_avatar: Avatar) -> None:
    live, asked_at_0 = rules(skip_after_ms=1_000), awaiting(1)
    assert not is_behind(live, asked_at_0, 1_000)
    assert is_behind(live, asked_at_0, 1_001)
    assert not is_behind(live, Reorder(40_000), 10**9), "nothing is awaited"
    assert not is_behind(rules(), asked_at_0, 10**9), "every frame is wanted"
    assert gathered(live, segment(tiny_avatar, 8), asked_at_0, 1_001) == 0


def test_a_live_frame_that_has_been_due_for_too_long_is_left_out(tiny_avatar: Avatar) -> None:
    speech, publishing = segment(tiny_avatar, 8), Publishing(rules(skip_after_ms=1_000))
    reorder = awaiting(0)
    reorder.expect(1_000, 64, 2_000)
    assert publishing.publish([speech], reorder, 0) == []
    reorder.clear(0, 0)
    publishing.publish([speech], reorder, 1_100)
    assert publishing.skipped == 3, "those of 0, 40 and 80 ms"
    assert reorder.pop(1_100) == [], "there is no frame before them to show in their place"
    (task,) = publishing.publish([speech], reorder, 1_100)
    assert (reorder.next_frame, task.first, task.count) == (3, 3, 5)


def test_audio_that_came_late_makes_its_frames_due_late(tiny_avatar: Avatar) -> None:
    publishing = Publishing(rules(skip_after_ms=1_000))
    publishing.publish([segment(tiny_avatar, 8)], awaiting(0), 5_000)
    assert publishing.skipped == 0
