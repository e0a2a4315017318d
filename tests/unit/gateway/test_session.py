"""The session's state machine, driven without a socket, a Redis or a clock."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.avatars.package import Avatar
from common.avatars.timeline import OPEN
from common.errors import AudioError
from common.frames import Flag, FrameHeader
from common.records import Checkpoint, SegmentRecord
from gateway.actions import Action, Append, Publish
from gateway.session import SessionCore
from tests.unit.gateway.driven import SECOND, core, finished, frames_out, run_pipeline, said, tasks


def test_a_second_of_audio_gives_twenty_five_frames_and_the_ends_are_reported(tiny_avatar: Avatar) -> None:
    session = core(tiny_avatar)
    run_pipeline(session, session.audio(SECOND, 0) + session.flush(0))
    assert [header.frame for header in frames_out(session)] == list(range(25))
    assert [message["type"] for message in said(session)] == ["segment", "speak_started", "speak_ended"]
    assert said(session)[2] == {
        "type": "speak_ended", "segment": 0, "epoch": 0, "first_frame": 0, "frames": 25, "concealed": 0,
        "position_ms": 1000.0, "interrupted": False,
    }  # fmt: skip
    assert frames_out(session)[-1].flags == Flag.LAST
    assert [header.flags for header in frames_out(session)[:-1]] == [Flag.NONE] * 24


def test_an_empty_segment_ends_at_once(tiny_avatar: Avatar) -> None:
    session = core(tiny_avatar)
    opened, closed = session.flush(0)
    assert isinstance(opened, SegmentRecord)
    assert isinstance(closed, SegmentRecord)
    assert (opened.samples, closed.samples) == (OPEN, 0)
    assert [(m["type"], m.get("frames")) for m in said(session)] == [("segment", None), ("speak_ended", 0)]


def test_audio_goes_to_the_ring_before_the_task_that_needs_it(tiny_avatar: Avatar) -> None:
    opened, *actions = core(tiny_avatar).audio(SECOND, 0)
    assert isinstance(opened, SegmentRecord)
    first_task = next(k for k, action in enumerate(actions) if isinstance(action, Publish))
    assert all(isinstance(action, Append) for action in actions[:first_task])
    assert [a.frame for a in actions if isinstance(a, Append)] == list(range(25))


def test_only_the_closing_task_knows_the_length(tiny_avatar: Avatar) -> None:
    session = core(tiny_avatar)
    assert {task.samples for task in tasks(session.audio(SECOND, 0))} == {-1}
    assert {task.samples for task in tasks(session.flush(0))} == {16_000}


def test_segments_follow_each_other_without_a_gap_in_frames_or_template(tiny_avatar: Avatar) -> None:
    session = core(tiny_avatar)
    run_pipeline(session, session.audio(SECOND, 0) + session.flush(0) + session.audio(SECOND, 0) + session.flush(0))
    starts = [message for message in said(session) if message["type"] == "segment"]
    assert [(m["segment"], m["first_frame"]) for m in starts] == [(0, 0), (1, 25)]
    assert [header.template for header in frames_out(session)] == list(range(50))


def test_begin_sets_the_template_of_the_next_segment_only(tiny_avatar: Avatar) -> None:
    session = core(tiny_avatar)
    session.begin(100)
    first = session.audio(SECOND, 0) + session.flush(0)
    second = session.audio(SECOND, 0) + session.flush(0)
    assert tasks(first)[0].template == 100
    assert tasks(second)[0].template == 125


def test_a_pause_ends_the_segment_of_a_live_session(tiny_avatar: Avatar) -> None:
    session = core(tiny_avatar)
    session.audio(SECOND, 0)
    assert not session.has_paused(1_600)
    assert session.has_paused(1_601)
    assert tasks(session.end(1_601))[-1].samples == 16_000


def test_a_chunk_of_a_second_is_not_a_pause(tiny_avatar: Avatar) -> None:
    session = core(tiny_avatar)
    for second in range(5):
        session.audio(SECOND, second * 1_000)
        session.tick(second * 1_000 + 990)
    assert [m["type"] for m in said(session)] == ["segment"]


def test_no_pause_ends_the_segment_of_a_lossless_session(tiny_avatar: Avatar) -> None:
    session = core(tiny_avatar, flush_after_ms=None)
    session.audio(SECOND, 0)
    assert all(task.samples == -1 for task in tasks(session.tick(10**9)))


def test_room_ends_with_the_frames_in_flight_and_comes_back_as_they_leave(tiny_avatar: Avatar) -> None:
    session = core(tiny_avatar, in_flight_frames=16)
    actions: list[Action] = []
    while session.has_room:
        actions += session.audio(b"\0\0" * 640, 0)
    assert session.in_flight == 16
    run_pipeline(session, actions)
    assert not session.has_room
    session.outbox.clear()
    assert session.has_room


def test_room_ends_when_nobody_reads_the_answers_to_empty_segments(tiny_avatar: Avatar) -> None:
    session = core(tiny_avatar)
    for _ in range(1_000):
        if session.has_room:
            session.flush(0)
    assert len(session.outbox) <= 130
    session.outbox.clear()
    assert session.has_room


def test_room_ends_when_empty_segments_wait_behind_one_under_way(tiny_avatar: Avatar) -> None:
    session, heard = core(tiny_avatar), 0
    session.audio(SECOND, 0)
    while session.has_room:
        session.flush(0)
        session.outbox.clear()
        heard += 1
    assert heard <= 64


def test_clear_voids_everything_and_numbers_go_on(tiny_avatar: Avatar) -> None:
    session = core(tiny_avatar)
    old = session.audio(SECOND, 0)
    session.arrived(finished(tasks(old)[0]), 0)
    (checkpoint,) = session.clear()
    assert isinstance(checkpoint, Checkpoint)
    assert (checkpoint.epoch, checkpoint.first_frame, checkpoint.segments, checkpoint.audio) == (1, 25, 1, 16_000)
    assert frames_out(session) == []
    assert said(session)[-1] == {
        "type": "cleared", "epoch": 1, "next_frame": 25, "segment": 0, "position_ms": 0.0,
    }  # fmt: skip
    assert session.in_flight == 0
    run_pipeline(session, session.audio(SECOND, 0) + session.flush(0))
    assert [(h.epoch, h.frame) for h in frames_out(session)] == [(1, 25 + k) for k in range(25)]


def test_a_frame_that_never_comes_is_concealed_and_the_segment_still_ends(tiny_avatar: Avatar) -> None:
    session = core(tiny_avatar)
    todo = tasks(session.audio(SECOND, 0) + session.flush(0))
    session.arrived(finished(todo[0]), 0)
    session.tick(2_001)
    headers = frames_out(session)
    assert [header.frame for header in headers] == list(range(25))
    assert Flag.CONCEALED in headers[-1].flags
    assert Flag.LAST in headers[-1].flags
    assert said(session)[-1]["concealed"] == 25 - todo[0].count


def test_odd_bytes_are_refused_and_the_segment_goes_on(tiny_avatar: Avatar) -> None:
    session = core(tiny_avatar)
    actions = session.audio(SECOND, 0)
    with pytest.raises(AudioError):
        session.audio(b"\0" * 3, 0)
    run_pipeline(session, actions + session.flush(0))
    assert said(session)[-1]["frames"] == 25


def test_server_idle_shows_the_template_on_the_clock(tiny_avatar: Avatar) -> None:
    session = core(tiny_avatar, idle="server")
    for now_ms in range(0, 400, 10):
        session.tick(now_ms)
        while session.outbox and now_ms % 40 == 0:
            item = session.outbox.popleft()
            assert isinstance(item.message, bytes)
            header, picture = FrameHeader.unpack(item.message)
            assert header.flags == Flag.IDLE
            assert (header.template, picture) == (now_ms // 40, b"idle%d" % (now_ms // 40))


def test_speech_takes_over_where_the_idle_loop_arrives(tiny_avatar: Avatar) -> None:
    session = core(tiny_avatar, idle="server")
    templates: list[int] = []

    def drain() -> None:
        while session.outbox:
            message = session.outbox.popleft().message
            if isinstance(message, bytes):
                templates.append(FrameHeader.unpack(message)[0].template)

    def idle(start_ms: int, stop_ms: int) -> None:
        for now_ms in range(start_ms, stop_ms, 20):
            session.tick(now_ms)
            drain()

    idle(0, 200)
    actions = session.audio(SECOND, 200)
    idle(200, 700)
    run_pipeline(session, actions + session.flush(700), 700)
    drain()
    idle(700, 1_000)
    index = tiny_avatar.manifest.template_index
    # The test's pipeline numbers speech frames by position, before looping: 12 to 36.
    assert templates == [index(p) for p in range(12)] + list(range(12, 37)) + [index(p) for p in range(37, 44)]


@given(
    cuts=st.lists(st.integers(1, 40_000), min_size=1, max_size=6),
    order=st.randoms(use_true_random=False),
    task_frames=st.integers(1, 8),
)
def test_every_frame_leaves_once_and_in_order_whatever_the_workers_do(
    tiny_avatar: Avatar, cuts: list[int], order: Any, task_frames: int
) -> None:
    session = core(tiny_avatar, task_frames=task_frames, in_flight_frames=10_000)
    todo: list[Publish] = []
    for cut in cuts:
        todo += tasks(session.audio(b"\0\0" * cut, 0))
    todo += tasks(session.flush(0))
    while todo:
        task = todo.pop(order.randrange(len(todo)))
        todo += tasks(session.arrived(finished(task), 0))
    assert [header.frame for header in frames_out(session)] == list(range(-(-sum(cuts) // 640)))
    assert said(session)[-1]["type"] == "speak_ended"


CHUNK = b"\0\0" * 640


def spoken_live(session: SessionCore, frames: int) -> list[Action]:
    """So much speech, a frame's audio each 40 ms, while no worker does anything."""
    actions: list[Action] = []
    for k in range(frames):
        actions += session.audio(CHUNK, 40 * k) + session.tick(40 * k)
    return actions


def test_live_frames_that_have_been_due_for_too_long_are_skipped_and_the_audio_is_not(tiny_avatar: Avatar) -> None:
    session = core(tiny_avatar, skip_after_ms=1_000)
    actions = spoken_live(session, 75)
    assert len([action for action in actions if isinstance(action, Append)]) == 75
    asked = sum(task.count for task in tasks(actions))
    assert asked < 30, "behind by a second, no more work is given to workers that are late"
    assert session.skipped == pytest.approx(75 - 25 - asked, abs=8)


def test_skipped_frames_are_shown_as_repeats_in_their_place(tiny_avatar: Avatar) -> None:
    session = core(tiny_avatar, skip_after_ms=1_000, deadline_ms=10_000)
    actions = spoken_live(session, 75)
    session.outbox.clear()
    for task in tasks(actions):
        session.arrived(finished(task), 3_000)
    flags = [header.flags for header in frames_out(session)]
    assert [header.frame for header in frames_out(session)] == list(range(len(flags)))
    assert sum(Flag.CONCEALED in flag for flag in flags) == session.skipped > 0


def test_speech_that_comes_ahead_of_its_time_is_never_skipped(tiny_avatar: Avatar) -> None:
    session = core(tiny_avatar, skip_after_ms=1_000)
    session.audio(SECOND * 2, 0)
    for now_ms in range(0, 1_900, 20):
        session.tick(now_ms)
    assert session.skipped == 0


def test_who_wants_every_frame_has_none_skipped(tiny_avatar: Avatar) -> None:
    session = core(tiny_avatar, deadline_ms=30_000)
    spoken_live(session, 75)
    assert session.skipped == 0


def test_frames_that_will_never_come_are_concealed_at_once(tiny_avatar: Avatar) -> None:
    session = core(tiny_avatar)
    first, second, *_ = tasks(session.audio(SECOND, 0))
    session.arrived(finished(first) | finished(second), 10)
    session.give_up(range(16, 18), 20)
    assert [h.frame for h in frames_out(session) if Flag.CONCEALED in h.flags] == [16, 17]
