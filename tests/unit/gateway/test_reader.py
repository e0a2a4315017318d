"""The reading half of a socket: what it lays in, what it answers at once, what it refuses."""

import json
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import pytest
from starlette.websockets import WebSocket, WebSocketDisconnect

from common.avatars.package import Avatar
from common.settings import Settings
from gateway.context import Gateway
from gateway.intake import Intake
from gateway.messages import Begin, Flush
from gateway.metrics import Metrics
from gateway.reader import Reader
from gateway.recording import Recording
from gateway.segmenter import Heard

FRAME = b"\1\2" * 640


@dataclass
class Read:
    """What came of a client's messages, up to its going."""

    answers: list[dict[str, Any]] = field(default_factory=list)
    barge_ins: list[tuple[int | None, Heard]] = field(default_factory=list)
    intake: Intake = field(default_factory=lambda: Intake(1_000_000))
    heard: Heard = field(default_factory=Heard)

    async def waiting(self, count: int) -> list[Any]:
        return [await self.intake.get() for _ in range(count)]


async def read(avatar: Avatar, *messages: bytes | dict[str, Any]) -> Read:
    """Let a reader hear all of them."""
    found = Read()
    script = iter(
        [
            {"type": "websocket.connect"},
            *({"bytes": each} if isinstance(each, bytes) else {"text": json.dumps(each)} for each in messages),
            {"type": "websocket.disconnect", "code": 1000},
        ]
    )

    async def receive() -> Any:
        return {"type": "websocket.receive"} | next(script)

    async def send(message: Any) -> None:
        if "text" in message:
            found.answers.append(json.loads(message["text"]))

    async def interrupt(shown: int | None, heard: Heard) -> None:
        found.barge_ins.append((shown, heard))

    shared = SimpleNamespace(
        settings=Settings(), metrics=Metrics(), avatars={"tiny": avatar}, hear=lambda *_: None, use=lambda *_: avatar
    )
    gateway, websocket = cast(Gateway, shared), WebSocket({"type": "websocket"}, receive, send)
    await websocket.accept()
    recording = Recording(gateway, "session")
    reader = Reader(websocket, gateway, "session", "s16le", 16_000, 25, found.intake, recording, interrupt)
    with pytest.raises(WebSocketDisconnect):
        await reader.run()
    found.heard = reader.heard
    return found


async def test_audio_and_commands_wait_in_their_order_and_are_counted(tiny_avatar: Avatar) -> None:
    found = await read(tiny_avatar, FRAME, {"type": "flush"}, {"type": "begin", "template": 7}, FRAME)
    assert found.heard == Heard(1_280, 2)
    assert await found.waiting(4) == [FRAME, Flush(type="flush"), Begin(type="begin", template=7), FRAME]


async def test_a_barge_in_passes_what_waits_and_leaves_a_change_of_avatar(tiny_avatar: Avatar) -> None:
    switch = {"type": "switch", "avatar": "tiny"}
    found = await read(tiny_avatar, FRAME, {"type": "flush"}, switch, FRAME, {"type": "clear", "shown": 3})
    assert found.barge_ins == [(3, Heard(1_280, 1))], "the change is yet to be heard"
    assert await found.waiting(1) == [tiny_avatar]
    assert found.intake.waiting_bytes == 0


async def test_a_ping_is_answered_at_once_and_is_no_command(tiny_avatar: Avatar) -> None:
    found = await read(tiny_avatar, FRAME, {"type": "ping", "id": 5})
    assert [(answer["type"], answer["id"]) for answer in found.answers] == [("pong", 5)]
    assert found.heard == Heard(640, 0)


async def test_what_is_refused_is_told_and_ends_nothing(tiny_avatar: Avatar) -> None:
    found = await read(tiny_avatar, b"\0", {"type": "sing"}, FRAME, {"type": "end"}, {"type": "flush"}, FRAME)
    assert [answer["type"] for answer in found.answers] == ["error"] * 4
    assert "only `clear` and `ping` may follow `end`" in found.answers[2]["message"]
    assert found.heard == Heard(640, 0)
