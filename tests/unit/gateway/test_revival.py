"""A session that goes on at another gateway: from what Redis holds, it stands where the lost one stood."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.avatars.package import Avatar
from common.avatars.timeline import Span
from common.frames import FrameHeader
from common.records import Checkpoint, SegmentRecord, SessionRecord, Stored
from gateway.actions import Action, Append, Publish
from gateway.revival import ResumeError, revive
from gateway.segmenter import Heard
from gateway.session import SessionCore
from tests.unit.gateway.driven import core, finished, order, run_pipeline, said, tasks

RATE_HZ = 24_000
QUARTER = 6_000


@dataclass
class World:
    """What outlives a gateway: Redis' side of a session, and what its client has sent and got."""

    avatars: dict[str, Avatar]
    record: SessionRecord
    segments: dict[int, SegmentRecord] = field(default_factory=dict)
    ring: dict[int, bytes] = field(default_factory=dict)
    painted: dict[int, bytes] = field(default_factory=dict)
    got: dict[int, bytes] = field(default_factory=dict)

    def carry_out(self, actions: list[Action]) -> None:
        for action in actions:
            match action:
                case Append(frame, pcm):
                    assert self.ring.setdefault(frame, pcm) == pcm, "a ring takes no frame twice"
                case SegmentRecord():
                    self.segments[action.number] = action
                case Checkpoint():
                    self.record = self.record.model_copy(update=action.model_dump())
                case Publish():
                    self.painted |= self.paint(action)

    def paint(self, task: Publish) -> dict[int, bytes]:
        """Frames that show the samples that they belong to, which must have come by then."""
        made = {}
        for frame, message in finished(task).items():
            header, picture = FrameHeader.unpack(message)
            made[frame] = header.pack(picture + self.ring[frame][:8])
        return made

    def deliver(self, session: SessionCore) -> None:
        """Let the workers finish, and the client get what there is."""
        while session.missing():
            self.carry_out(session.arrived({frame: self.painted[frame] for frame in session.missing()}, 0))
        for message in (item.message for item in session.outbox if isinstance(item.message, bytes)):
            frame = FrameHeader.unpack(message)[0].frame
            assert frame not in self.got, "no frame is shown twice"
            self.got[frame] = message
        session.outbox.clear()

    def stored(self) -> Stored:
        span = Span(min(self.ring), max(self.ring) + 1) if self.ring else Span(0, 0)
        return Stored(self.record, [self.segments[number] for number in sorted(self.segments)], span)


def new_world(avatar: Avatar) -> World:
    facts: dict[str, Any] = {"gateway": "g", "state": "open", "sample_rate": RATE_HZ, "fps": 25}
    return World({avatar.name: avatar}, SessionRecord(avatar=avatar.name, created_at=0, last_seen=0, **facts))


Step = tuple[str, int]


class Client:
    """Says a script, and says it again from where a gateway asks."""

    def __init__(self, script: list[Step], pcm: bytes) -> None:
        self.script, self.pcm, self.heard, self.step = script, pcm, Heard(), 0

    def go_back(self, heard: Heard) -> None:
        audio = commands = self.step = 0
        while self.step < len(self.script) and (audio, commands) != (heard.audio, heard.commands):
            kind, samples = self.script[self.step]
            if kind == "audio" and audio + samples > heard.audio:
                break
            audio, commands = audio + samples * (kind == "audio"), commands + (kind == "flush")
            if kind == "flush" and commands > heard.commands:
                break
            self.step += 1
        self.heard = heard

    def say(self, session: SessionCore) -> list[Action]:
        kind, samples = self.script[self.step]
        self.step += 1
        if kind == "flush":
            return session.flush(0)
        begin = sum(s for k, s in self.script[: self.step - 1] if k == "audio")
        first = max(begin, self.heard.audio)
        return session.audio(self.pcm[2 * first : 2 * (begin + samples)], 0)


def speak(script: list[Step], pcm: bytes, avatar: Avatar, dies: Callable[[int], int | None]) -> World:
    """A whole session; after step `k` its gateway dies if `dies(k)` says how many frames its client has got."""
    world, client = new_world(avatar), Client(script, pcm)
    session = core(avatar, sample_rate_hz=RATE_HZ)
    turn = 0
    while client.step < len(script):
        actions = client.say(session)
        world.carry_out(actions)
        world.deliver(session)
        lag = dies(turn)
        turn += 1
        if lag is not None:
            for frame in sorted(world.got)[len(world.got) - min(lag, len(world.got)) :]:
                del world.got[frame]
            revival = revive(world.stored(), {avatar.name: avatar.manifest}, max(world.got, default=None), 0)
            session = core(avatar, sample_rate_hz=RATE_HZ)
            session.go_on(revival, 0)
            session.found({f: world.painted[f] for f in session.owed() if f in world.painted and f % 3}, 0)
            world.carry_out(session.tick(0))
            client.go_back(session.heard)
            world.deliver(session)
    return world


steps = st.lists(st.tuples(st.just("audio"), st.integers(1, 9_000)) | st.just(("flush", 0)), max_size=12)


@settings(max_examples=60, deadline=None)
@given(script=steps, deaths=st.dictionaries(st.integers(0, 30), st.integers(0, 40), max_size=4))
def test_wherever_a_gateway_dies_the_frames_are_those_of_the_undisturbed_session(
    tiny_avatar: Avatar, script: list[Step], deaths: dict[int, int]
) -> None:
    script = [*script, ("flush", 0)]
    samples = sum(step[1] for step in script)
    pcm = b"".join((k * 7919 % 65_536).to_bytes(2, "little") for k in range(samples))
    undisturbed = speak(script, pcm, tiny_avatar, lambda _: None)
    disturbed = speak(script, pcm, tiny_avatar, deaths.get)
    assert disturbed.got == undisturbed.got
    assert disturbed.ring == undisturbed.ring
    assert disturbed.segments == undisturbed.segments


def test_what_was_said_of_frames_to_come_is_said_again(tiny_avatar: Avatar) -> None:
    world, session = new_world(tiny_avatar), core(tiny_avatar, sample_rate_hz=RATE_HZ)
    world.carry_out(session.audio(bytes(2 * RATE_HZ), 0))
    world.carry_out(session.flush(0))
    again = core(tiny_avatar, sample_rate_hz=RATE_HZ)
    again.go_on(revive(world.stored(), {"tiny": tiny_avatar.manifest}, 20, 0), 0)
    again.found({frame: world.paint(task)[frame] for task in tasks(again.tick(0)) for frame in again.owed()}, 0)
    assert [message["type"] for message in said(again)] == ["segment"]
    assert again.missing() == [21, 22, 23, 24]
    assert again.heard == Heard(RATE_HZ, 1)


def test_an_utterance_whose_last_frame_came_is_said_to_have_ended_again(tiny_avatar: Avatar) -> None:
    world, session = new_world(tiny_avatar), core(tiny_avatar, sample_rate_hz=RATE_HZ)
    world.carry_out(session.audio(bytes(2 * RATE_HZ), 0))
    world.carry_out(session.flush(0))
    again = core(tiny_avatar, sample_rate_hz=RATE_HZ)
    again.go_on(revive(world.stored(), {"tiny": tiny_avatar.manifest}, 24, 0), 0)
    assert [(m["type"], m.get("frames")) for m in said(again)] == [("segment", None), ("speak_ended", 25)]
    assert again.drained is False
    assert again.missing() == []


def test_a_client_that_did_not_hear_of_its_barge_in_is_told_again(tiny_avatar: Avatar) -> None:
    world, session = new_world(tiny_avatar), core(tiny_avatar, sample_rate_hz=RATE_HZ)
    world.carry_out(session.audio(bytes(2 * RATE_HZ), 0))
    world.carry_out(session.clear(heard=Heard(RATE_HZ, 0)))
    again = core(tiny_avatar, sample_rate_hz=RATE_HZ)
    again.go_on(revive(world.stored(), {"tiny": tiny_avatar.manifest}, 3, 0), 0)
    assert [(m["type"], m["epoch"]) for m in said(again)] == [("cleared", 1)]
    assert (again.epoch, again.next_frame, again.heard) == (1, 25, Heard(RATE_HZ, 0))


def test_frames_that_were_never_sent_cannot_have_come(tiny_avatar: Avatar) -> None:
    world, session = new_world(tiny_avatar), core(tiny_avatar, sample_rate_hz=RATE_HZ)
    world.carry_out(session.audio(bytes(2 * RATE_HZ), 0))
    with pytest.raises(ResumeError, match="frame 90 was never sent"):
        revive(world.stored(), {"tiny": tiny_avatar.manifest}, 90, 0)


def test_audio_that_the_ring_has_lost_is_not_guessed(tiny_avatar: Avatar) -> None:
    world, session = new_world(tiny_avatar), core(tiny_avatar, sample_rate_hz=RATE_HZ)
    world.carry_out(session.audio(bytes(8 * RATE_HZ), 0))
    for frame in range(60):
        del world.ring[frame]
    with pytest.raises(ResumeError, match="audio of frame 10 is gone"):
        revive(world.stored(), {"tiny": tiny_avatar.manifest}, 9, 0)


def test_an_avatar_that_is_not_offered_here_is_named(tiny_avatar: Avatar) -> None:
    with pytest.raises(ResumeError, match="'tiny' is not offered here"):
        revive(new_world(tiny_avatar).stored(), {}, None, None)


def test_a_client_that_says_no_more_ends_its_utterance_where_the_audio_ends(tiny_avatar: Avatar) -> None:
    world, session = new_world(tiny_avatar), core(tiny_avatar, sample_rate_hz=RATE_HZ)
    world.carry_out(session.audio(bytes(2 * RATE_HZ), 0))
    again = core(tiny_avatar, sample_rate_hz=RATE_HZ)
    again.go_on(revive(world.stored(), {"tiny": tiny_avatar.manifest}, 9, 0), 0)
    world.carry_out(again.flush(0))
    world.deliver(again)
    assert sorted(world.got) == list(range(10, len(world.ring)))


def test_each_frame_is_told_to_be_of_its_own_avatar_again(tiny_avatar: Avatar, reference_avatar: Avatar) -> None:
    world, session = new_world(tiny_avatar), core(tiny_avatar, sample_rate_hz=RATE_HZ)
    for step in (session.audio, lambda pcm, now_ms: session.switch(reference_avatar.manifest, now_ms), session.audio):
        world.carry_out(step(bytes(2 * RATE_HZ), 0))
        world.deliver(session)
    world.carry_out(session.flush(0))
    again = core(tiny_avatar, sample_rate_hz=RATE_HZ)
    manifests = {avatar.name: avatar.manifest for avatar in (tiny_avatar, reference_avatar)}
    again.go_on(revive(world.stored(), manifests, 20, 0), 0)
    run_pipeline(again, again.tick(0))
    assert order(again)[2:] == [
        *range(21, 25), "speak_ended", "switched", "speak_started", *range(25, 50), "speak_ended",
    ]  # fmt: skip
    assert [m["avatar"] for m in said(again) if m["type"] == "switched"] == ["reference"]
