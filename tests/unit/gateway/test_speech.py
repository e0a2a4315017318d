"""What a session tells of its utterances, a barge-in's exact media time above all."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.avatars.package import Avatar
from common.frames import Flag
from gateway.session import SessionCore
from tests.unit.gateway.driven import SECOND, core, finished, frames_out, order, run_pipeline, said, send, tasks


def spoken(session: SessionCore, seconds: int = 1) -> None:
    """An utterance, ended and through the pipeline."""
    run_pipeline(session, session.audio(SECOND * seconds, 0) + session.flush(0))


def cleared(session: SessionCore, shown: int | None = None) -> dict[str, Any]:
    session.clear(shown)
    return next(message for message in said(session) if message["type"] == "cleared")


def test_an_utterance_is_framed_by_its_start_and_its_end(tiny_avatar: Avatar) -> None:
    session = core(tiny_avatar)
    spoken(session)
    assert order(session) == ["segment", "speak_started", *range(25), "speak_ended"]


def test_two_utterances_that_arrive_together_are_reported_apart(tiny_avatar: Avatar) -> None:
    session = core(tiny_avatar)
    actions = session.audio(SECOND, 0) + session.flush(0) + session.audio(SECOND, 0) + session.flush(0)
    todo = tasks(actions)
    for task in reversed(todo):
        todo += tasks(session.arrived(finished(task), 0))
    spoken_order = [item for item in order(session) if item != "segment"]
    assert spoken_order == [
        "speak_started", *range(25), "speak_ended", "speak_started", *range(25, 50), "speak_ended",
    ]  # fmt: skip
    starts = [message for message in said(session) if message["type"] == "speak_started"]
    assert [(m["segment"], m["first_frame"]) for m in starts] == [(0, 0), (1, 25)]


def test_a_barge_in_tells_what_was_shown_to_the_frame(tiny_avatar: Avatar) -> None:
    session = core(tiny_avatar)
    spoken(session)
    send(session, 25)
    session.outbox.clear()
    assert cleared(session, shown=9) == {
        "type": "cleared", "epoch": 1, "next_frame": 25, "segment": 0, "position_ms": 400.0,
    }  # fmt: skip


def test_without_a_word_of_the_client_what_was_sent_counts_as_shown(tiny_avatar: Avatar) -> None:
    session = core(tiny_avatar)
    spoken(session)
    send(session, 7)
    answer = cleared(session)
    ended = next(message for message in said(session) if message["type"] == "speak_ended")
    assert (answer["segment"], answer["position_ms"]) == (0, 280.0)
    assert (ended["frames"], ended["position_ms"], ended["interrupted"]) == (7, 280.0, True)
    assert order(session) == ["speak_ended", "cleared"], "what was to leave is void, its end included"
    assert session.delivered == 7


def test_shown_is_held_to_what_was_sent(tiny_avatar: Avatar) -> None:
    session = core(tiny_avatar)
    spoken(session)
    send(session, 7)
    assert cleared(session, shown=1_000)["position_ms"] == 280.0


def test_of_two_utterances_the_one_that_was_heard_is_the_one_that_was_cut(tiny_avatar: Avatar) -> None:
    session = core(tiny_avatar)
    spoken(session)
    spoken(session)
    send(session, 30)
    answer = cleared(session, shown=4)
    assert (answer["segment"], answer["position_ms"]) == (0, 200.0)
    (ended,) = [m for m in said(session) if m["type"] == "speak_ended"]
    assert (ended["segment"], ended["frames"], ended["position_ms"]) == (1, 5, 0.0)


def test_between_two_utterances_the_next_is_cut_before_it_began(tiny_avatar: Avatar) -> None:
    session = core(tiny_avatar)
    spoken(session)
    session.audio(SECOND, 0)
    answer = cleared(session, shown=24)
    assert (answer["segment"], answer["position_ms"]) == (0, 0.0), "nothing of the first has left yet"
    session = core(tiny_avatar)
    spoken(session)
    send(session, 25)
    session.audio(SECOND, 0)
    answer = cleared(session, shown=24)
    assert (answer["segment"], answer["position_ms"]) == (1, 0.0)
    assert [m["type"] for m in said(session)].count("speak_started") == 0, "it never began"


def test_with_nothing_left_to_show_nothing_was_cut(tiny_avatar: Avatar) -> None:
    session = core(tiny_avatar)
    answer = cleared(session)
    assert (answer["segment"], answer["position_ms"]) == (None, None)
    session = core(tiny_avatar)
    spoken(session)
    send(session, 25)
    answer = cleared(session, shown=24)
    assert (answer["segment"], answer["position_ms"]) == (None, None)


def test_a_frame_of_an_older_epoch_is_no_position_in_this_one(tiny_avatar: Avatar) -> None:
    session = core(tiny_avatar)
    spoken(session)
    send(session, 25)
    session.clear(9)
    session.outbox.clear()
    spoken(session)
    send(session, 20)
    answer = cleared(session, shown=9)
    assert (answer["segment"], answer["position_ms"]) == (1, 0.0)


def test_the_head_goes_on_from_the_frame_that_was_shown(tiny_avatar: Avatar) -> None:
    session = core(tiny_avatar)
    spoken(session)
    send(session, 25)
    session.clear(9)
    assert tasks(session.audio(SECOND, 0))[0].template == 10


def test_an_empty_utterance_behind_one_that_is_voided_is_not_reported_within_it(tiny_avatar: Avatar) -> None:
    session = core(tiny_avatar)
    actions = session.audio(b"\0\0", 0) + session.flush(0) + session.flush(0)
    run_pipeline(session, actions)
    session.clear()
    assert order(session) == ["segment", "segment", "cleared"], "of the first no frame has left"


def test_concealed_frames_that_a_barge_in_takes_back_are_not_counted(tiny_avatar: Avatar) -> None:
    session = core(tiny_avatar)
    todo = tasks(session.audio(SECOND, 0) + session.flush(0))
    session.arrived(finished(todo[0]), 0)
    session.tick(2_001)
    send(session, todo[0].count + 2)
    session.clear()
    ended = next(m for m in said(session) if m["type"] == "speak_ended")
    assert (ended["frames"], ended["concealed"], session.concealed) == (todo[0].count + 2, 2, 2)


def test_another_avatar_comes_when_the_frames_of_the_old_one_have_left(
    tiny_avatar: Avatar, reference_avatar: Avatar
) -> None:
    session = core(tiny_avatar)
    actions = session.audio(SECOND, 0)
    actions += session.switch(reference_avatar.manifest, 0)
    assert not session.has_room
    run_pipeline(session, actions)
    assert order(session) == ["segment", "speak_started", *range(25), "speak_ended", "switched"]
    switched = said(session)[-1]
    assert (switched["avatar"], switched["first_frame"], switched["width"]) == ("reference", 25, 256)
    assert frames_out(session)[-1].flags == Flag.LAST, "the open segment was flushed"
    session.outbox.clear()
    (task, *_) = tasks(session.audio(SECOND, 0))
    assert (task.avatar, task.first, task.template) == ("reference", 25, 0)


def test_a_barge_in_lets_the_other_avatar_in_at_once(tiny_avatar: Avatar, reference_avatar: Avatar) -> None:
    session = core(tiny_avatar)
    session.audio(SECOND, 0)
    session.switch(reference_avatar.manifest, 0)
    session.clear()
    assert [m["type"] for m in said(session)][-2:] == ["cleared", "switched"]
    assert said(session)[-1]["first_frame"] == said(session)[-2]["next_frame"] == 25
    assert session.has_room


def test_a_late_first_frame_is_not_concealed_with_the_other_avatars_face(
    tiny_avatar: Avatar, reference_avatar: Avatar
) -> None:
    session = core(tiny_avatar)
    run_pipeline(session, session.audio(SECOND, 0) + session.switch(reference_avatar.manifest, 0))
    session.outbox.clear()
    first, second, *_ = tasks(session.audio(SECOND * 2, 0))
    session.arrived(finished(second), 0)
    session.tick(2_001)
    assert first.count == second.count
    pictures = {item.message[40:] for item in session.outbox if isinstance(item.message, bytes)}
    assert pictures == {b"reference"}


@pytest.mark.parametrize("idle", ["client", "server"])
def test_the_idle_loop_is_the_new_avatars_after_a_switch(
    tiny_avatar: Avatar, reference_avatar: Avatar, idle: str
) -> None:
    session = core(tiny_avatar, idle=idle)
    session.tick(0)
    session.switch(reference_avatar.manifest, 10)
    session.outbox.clear()
    session.tick(1_000)
    assert [item.message[40:] for item in session.outbox] == ([b"other0"] if idle == "server" else [])


@settings(max_examples=400, deadline=None)
@given(st.lists(st.sampled_from(["audio", "flush", "clear", "switch", "send", "work"]), max_size=40), st.data())
def test_whatever_happens_each_start_has_one_end_and_the_numbers_agree(
    tiny_avatar: Avatar, reference_avatar: Avatar, steps: list[str], data: st.DataObject
) -> None:
    session, todo, sent = core(tiny_avatar), [], []
    avatars = {"tiny": reference_avatar.manifest, "reference": tiny_avatar.manifest}
    for step in steps:
        actions = []
        if step == "audio" and session.has_room:
            actions = session.audio(b"\0\0" * data.draw(st.integers(1, 9_000)), 0)
        elif step == "flush" and session.has_room:
            actions = session.flush(0)
        elif step == "switch" and session.has_room:
            actions = session.switch(avatars[session.manifest.name], 0)
        elif step == "clear":
            actions = session.clear(data.draw(st.none() | st.integers(0, 300)))
        elif step == "work" and todo:
            actions = session.arrived(finished(todo.pop(data.draw(st.integers(0, len(todo) - 1)))), 0)
        elif step == "send":
            sent += [session.outbox.popleft() for _ in range(min(len(session.outbox), data.draw(st.integers(0, 30))))]
        todo = [task for task in todo + tasks(actions) if task.epoch == session.epoch]
    if session.has_room:
        todo += tasks(session.end(0))
    while todo:
        todo += tasks(session.arrived(finished(todo.pop()), 0))
    session.outbox.extendleft(reversed(sent))
    check(order(session), said(session))
    assert session.delivered == len(frames_out(session))


def check(happened: list[str | int], messages: list[dict[str, Any]]) -> None:
    """Frames lie between their start and end, in order; the reports count them."""
    texts, open_segment, frames = iter(messages), None, 0
    highest = -1
    for item in happened:
        if isinstance(item, int):
            assert open_segment is not None, "a frame outside of an utterance"
            assert item > highest
            highest, frames = item, frames + 1
            continue
        message = next(texts)
        if item == "speak_started":
            assert open_segment is None
            open_segment, frames = message["segment"], 0
        elif item == "speak_ended":
            assert message["frames"] == frames if open_segment is not None else message["frames"] == 0
            assert 0 <= message["position_ms"] <= frames * 40 if open_segment is not None else True
            assert message["segment"] == open_segment or open_segment is None
            open_segment = None
        elif item in ("cleared", "switched"):
            assert open_segment is None
            assert message.get("next_frame", message.get("first_frame")) > highest
