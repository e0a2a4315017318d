"""Hundreds of malformed messages on real sockets: typed answers, and a neighbour that does not notice."""

import asyncio
import json
import random
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame, Opcode

import lipstream_client
from common.avatars.package import Avatar
from tests.pipeline import Pipeline, running, until
from tests.speech import offline, speechlike

RATE_HZ = 16_000
START = {"type": "start", "avatar": "tiny", "sample_rate": RATE_HZ, "pace": "lossless", "format": "f32le"}
REFUSALS = {"bad_message", "bad_audio", "bad_input"}
WORDS = ["start", "begin", "flush!", "clear", "switch", "ping", "template", "shown", "avatar", "id", "type", "tiny", ""]


def malformed(rng: random.Random) -> str | bytes:
    """A message that must be refused."""
    value: Any = rng.choice([None, True, -1, 2**70, 1e300, float("nan"), "x" * 70, [], {"a": [{}]}, "\ud800", "\0"])
    match rng.randrange(8):
        case 0:
            return json.dumps(value)
        case 1:
            return json.dumps({rng.choice(WORDS): value})
        case 2:
            return json.dumps({"type": rng.choice(["begin", "switch"]), rng.choice(["template", "avatar"]): value})
        case 3:
            return json.dumps({"type": rng.choice(["flush", "clear", "end", "ping"]), "colour": value})
        case 4:
            return "[" * rng.randrange(1, 50_000)
        case 5:
            return "".join(chr(rng.randrange(1, 0xD7FF)) for _ in range(rng.randrange(1, 40)))
        case 6:
            return bytes(4 * rng.randrange(20) + rng.randrange(1, 4))
        case _:
            return b"\0\0\0\0" * rng.randrange(20) + bytes.fromhex(rng.choice(["0000c07f", "0000807f", "000080ff"]))


async def refusals(socket: ClientConnection, count: int) -> list[dict[str, Any]]:
    """The next answers; anything but errors would mean that something malformed was taken."""
    async with asyncio.timeout(60):
        answers = [json.loads(await socket.recv()) for _ in range(count)]
    assert {answer["type"] for answer in answers} == {"error"}
    return answers


async def neighbour(pipeline: Pipeline, pcm: bytes) -> tuple[list[bytes], int]:
    """The pictures and the number of concealed frames of a session that does all right, in no hurry."""
    options: Any = {"avatar": "tiny", "sample_rate": RATE_HZ, "pace": "lossless"}
    async with lipstream_client.connect(pipeline.url, **options) as session:

        async def send() -> None:
            for start in range(0, len(pcm), 3_200):
                await session.send_audio(pcm[start : start + 3_200])
                await asyncio.sleep(0.05)
            await session.end()

        sending = asyncio.create_task(send())
        pictures = [frame.picture async for frame in session.frames()]
        await sending
    assert session.ended is not None
    return pictures, session.ended.concealed


@pytest.mark.parametrize("seed", range(3))
async def test_hundreds_of_malformed_messages_are_answered_one_by_one(
    redis_server: str, avatars_folder: Path, tiny_avatar: Avatar, seed: int
) -> None:
    rng, pcm = random.Random(seed), speechlike(RATE_HZ * 3)
    async with running(redis_server, avatars_folder) as pipeline:
        beside = asyncio.create_task(neighbour(pipeline, pcm))
        async with connect(pipeline.url) as socket:
            assert json.loads(await socket.recv())["type"] == "hello"
            await socket.send(json.dumps(START))
            assert json.loads(await socket.recv())["type"] == "started"
            for _ in range(15):
                await asyncio.gather(*(socket.send(malformed(rng)) for _ in range(20)))
                for answer in await refusals(socket, 20):
                    assert answer["code"] in REFUSALS
                    assert answer["retryable"] is False
            await socket.send(json.dumps({"type": "end"}))
            assert json.loads(await socket.recv()) == {"type": "ended", "frames": 0, "concealed": 0}
        assert await beside == (offline(tiny_avatar, pcm, RATE_HZ), 0)
        await until(lambda: not pipeline.gateway.sessions)


@pytest.mark.parametrize("text", [b"\xff\xfe", b"\xc3(", b'{"type":"\xed\xa0\x80"}'])
async def test_text_that_is_not_utf8_closes_its_own_socket_only(
    redis_server: str, avatars_folder: Path, tiny_avatar: Avatar, text: bytes
) -> None:
    pcm = speechlike(RATE_HZ)
    async with running(redis_server, avatars_folder) as pipeline:
        beside = asyncio.create_task(neighbour(pipeline, pcm))
        async with connect(pipeline.url) as socket:
            await socket.recv()
            await socket.send(json.dumps(START))
            await socket.recv()
            socket.transport.write(Frame(Opcode.TEXT, text).serialize(mask=True))
            with pytest.raises(ConnectionClosed) as caught:
                await socket.recv()
            assert caught.value.rcvd is not None
            assert caught.value.rcvd.code == 1007
        assert await beside == (offline(tiny_avatar, pcm, RATE_HZ), 0)
        await until(lambda: not pipeline.gateway.sessions)
