"""The log of what was said: whatever a server has got, what is said again makes it whole."""

import asyncio
import json
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from lipstream_client.said import Said


@dataclass
class Server:
    """What a server makes of messages: what is in effect, and how far it has come."""

    effect: list[Any] = field(default_factory=list)
    audio: int = 0
    commands: int = 0
    epoch: int = 0

    def take(self, message: str | bytes) -> None:
        if isinstance(message, bytes):
            self.effect += list(zip(message[::2], message[1::2], strict=True))
            self.audio += len(message) // 2
            return
        kind = json.loads(message)["type"]
        if kind == "clear":
            self.epoch += 1
            self.effect = [one for one in self.effect if one in ("switch", "end")]
        elif kind != "ping":
            self.commands += kind != "end"
            self.effect.append(kind)


def send(said: Said, server: Server, limit: int) -> None:
    """Let so many items through."""
    for _ in range(limit):
        if (item := said.unsent) is None:
            return
        server.take(item.message)
        said.mark(item)


saying = st.lists(
    st.tuples(st.just("audio"), st.integers(1, 5))
    | st.tuples(st.sampled_from(["flush", "begin", "switch", "clear", "ping"]), st.just(0)),
    max_size=25,
)


def say(said: Said, kind: str, samples: int, numbers: "count[int]") -> None:
    if kind == "audio":
        said.say_audio(bytes(next(numbers) % 256 for _ in range(2 * samples)))
    else:
        said.say(kind)


@given(steps=saying, sent=st.integers(0, 40), lost=st.integers(0, 40))
@example(steps=[("switch", 0), ("flush", 0), ("clear", 0)], sent=1, lost=0)
def test_a_server_that_has_got_a_part_gets_the_rest(steps: list[tuple[str, int]], sent: int, lost: int) -> None:
    steps = [*steps, ("end", 0)]
    undisturbed, whole, numbers = Said(2), Server(), count()
    for kind, samples in steps:
        say(undisturbed, kind, samples, numbers)
        send(undisturbed, whole, 1)
    said, server, numbers = Said(2), Server(), count()
    for kind, samples in steps:
        say(said, kind, samples, numbers)
        if sent:
            send(said, server, 1)
            sent -= 1
    # The next server does not know of an end, nor of the last piece of audio.
    server.effect = [one for one in server.effect if one != "end"]
    while lost and server.effect and isinstance(server.effect[-1], tuple):
        server.effect.pop()
        server.audio -= 1
        lost -= 1
    said.go_back(server.audio, server.commands, server.epoch)
    server.audio = undisturbed.audio
    send(said, server, 1_000)
    assert server.effect == whole.effect
    assert server.epoch == whole.epoch


def test_what_frames_were_made_of_is_forgotten_and_the_rest_is_kept() -> None:
    said = Said(2)
    said.say("begin", template=3)
    for _ in range(10):
        said.say_audio(bytes(200))
    said.say("flush")
    send(said, Server(), 100)
    said.forget(audio=450, segment=0)
    said.go_back(audio=450, commands=1, epoch=0)
    again = Server()
    send(said, again, 100)
    assert (again.audio, again.commands) == (550, 1)


def test_nothing_that_was_not_sent_is_forgotten() -> None:
    said, server = Said(2), Server()
    said.say_audio(bytes(200))
    said.forget(audio=1_000, segment=0)
    send(said, server, 10)
    assert server.audio == 100


async def test_who_waits_for_what_a_barge_in_voids_waits_no_longer() -> None:
    said = Said(2)
    item = said.say_audio(bytes(200))
    said.say("clear")
    await asyncio.wait_for(item.sent.wait(), 1)


async def test_who_waits_for_a_barge_in_is_answered_though_another_server_takes_it() -> None:
    said = Said(2)
    clear = said.say("clear")
    said.go_back(audio=0, commands=0, epoch=0)
    send(said, Server(), 10)
    assert clear.sent.is_set()
