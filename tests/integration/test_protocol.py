"""`docs/protocol.md` against the real thing: its client runs, its schema holds, and what it promises happens."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from jsonschema import Draft202012Validator
from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as raw_connect

from common.avatars.package import Avatar, load
from common.frames import FrameHeader
from gateway.replies import REPLIES
from gateway.schema import PAGE
from lipstream_client import (
    Cleared,
    Flag,
    Frame,
    LipstreamClientError,
    Pong,
    Segment,
    SpeakEnded,
    SpeakStarted,
    Stats,
    Switched,
    connect,
)
from tests.avatar_package import write_package
from tests.pipeline import Pipeline, running, until
from tests.speech import offline, speechlike

RATE_HZ = 16_000
PROTOCOL_PAGE = PAGE.with_name("protocol.md")


@pytest.fixture
async def pipeline(redis_server: str, avatars_folder: Path) -> AsyncIterator[Pipeline]:
    async with running(redis_server, avatars_folder, avatars=("tiny", "reference"), stats_interval_s=0.1) as made:
        yield made


def documented_client() -> str:
    (code,) = re.findall(r"```python\n(.*?)```", PROTOCOL_PAGE.read_text(encoding="utf-8"), re.DOTALL)
    return str(code)


async def test_the_client_of_the_page_runs_and_gets_the_renderers_frames(
    pipeline: Pipeline, tiny_avatar: Avatar
) -> None:
    names: dict[str, Any] = {"__name__": "page"}
    exec(compile(documented_client(), str(PROTOCOL_PAGE), "exec"), names)
    pcm = speechlike(RATE_HZ * 2 + 5)
    assert await names["talk"](pipeline.url, "tiny", pcm, RATE_HZ) == offline(tiny_avatar, pcm, RATE_HZ)


def test_the_client_of_the_page_is_short_and_needs_only_websockets() -> None:
    code = documented_client()
    assert set(re.findall(r"^(?:import|from) (\w+)", code, re.MULTILINE)) == {
        "asyncio", "json", "struct", "sys", "websockets",
    }  # fmt: skip
    talk = code[code.index("async def talk") : code.index('if __name__ == "__main__"')]
    assert len([line for line in talk.splitlines() if line.strip()]) <= 30


@pytest.mark.parametrize("output", ["frame", "patch"])
async def test_every_message_of_a_session_is_as_the_schema_says(pipeline: Pipeline, output: str) -> None:
    schema = json.loads(PAGE.read_text(encoding="utf-8"))
    client, server = (
        Draft202012Validator(schema | {"anyOf": [{"$ref": f"#/$defs/{s}"}]}) for s in ("client", "server")
    )
    heard: set[str] = set()
    tokens: list[str] = []

    async def hear(socket: ClientConnection) -> None:
        async for answer in socket:
            if isinstance(answer, str):
                content = json.loads(answer)
                server.validate(content)
                heard.add(content["type"])
                tokens.extend([content["resume"]] if "resume" in content else [])

    async def say(**message: Any) -> None:
        client.validate(message)
        await socket.send(json.dumps(message))

    async with raw_connect(pipeline.url) as socket:
        hearing = asyncio.create_task(hear(socket))
        await say(type="start", v=1, avatar="tiny", sample_rate=RATE_HZ, pace="lossless", output=output)
        await say(type="begin", template=3)
        await socket.send(speechlike(RATE_HZ))
        await say(type="flush")
        await socket.send('{"type": "sing"}')
        await until(lambda: {"speak_ended", "stats"} <= heard)
        await say(type="ping", id=7)
        await say(type="clear", shown=3)
        await say(type="switch", avatar="reference")
        await socket.send(speechlike(RATE_HZ))
        await until(lambda: "switched" in heard)
        socket.transport.abort()
        hearing.cancel()
    async with raw_connect(pipeline.url) as socket:
        hearing = asyncio.create_task(hear(socket))
        await say(type="resume", token=tokens[0], epoch=1)
        await say(type="end")
        await hearing
    assert heard == set(REPLIES)


async def test_a_switch_keeps_one_clock_and_each_segment_is_its_avatars_rendering(
    pipeline: Pipeline, tiny_avatar: Avatar, reference_avatar: Avatar
) -> None:
    avatars = [tiny_avatar, reference_avatar, tiny_avatar]
    clips = [speechlike(n) for n in (20_000, 33_333, 7_777)]
    async with connect(pipeline.url, avatar="tiny", sample_rate=RATE_HZ, pace="lossless") as session:
        await session.send_audio(clips[0])
        await session.switch("reference")
        await session.send_audio(clips[1])
        await session.switch("tiny")
        await session.send_audio(clips[2])
        await session.end()
        items = [item async for item in session]
    frames = [item for item in items if isinstance(item, Frame)]
    assert [frame.frame for frame in frames] == list(range(len(frames)))
    assert [frame.pts_us for frame in frames] == [40_000 * k for k in range(len(frames))]
    expected = [picture for a, clip in zip(avatars, clips, strict=True) for picture in offline(a, clip, RATE_HZ)]
    assert [frame.picture for frame in frames] == expected
    switches = [item for item in items if isinstance(item, Switched)]
    assert [(s.avatar, s.first_frame) for s in switches] == [("reference", 32), ("tiny", 32 + 53)]
    for switch in switches:
        before, after = items[: items.index(switch)], items[items.index(switch) :]
        assert all(item.frame < switch.first_frame for item in before if isinstance(item, Frame))
        assert all(item.frame >= switch.first_frame for item in after if isinstance(item, Frame))
        assert next(item.template for item in after if isinstance(item, Frame)) == 0


@pytest.mark.parametrize("other", ["nobody", "slow"])
async def test_a_switch_that_cannot_be_is_refused_and_the_session_goes_on(
    redis_server: str, tmp_path: Path, other: str
) -> None:
    write_package(tmp_path, "tiny")
    write_package(tmp_path, "slow", fps=20)
    pcm = speechlike(RATE_HZ)
    async with (
        running(redis_server, tmp_path, avatars=("tiny", "slow")) as pipeline,
        connect(pipeline.url, avatar="tiny", sample_rate=RATE_HZ, pace="lossless") as session,
    ):
        await session.switch(other)
        with pytest.raises(LipstreamClientError, match=other) as caught:
            async for _ in session:
                pass
        assert (caught.value.code, caught.value.field, caught.value.retryable) == ("bad_input", "avatar", False)
        await session.send_audio(pcm)
        await session.end()
        frames = [frame.picture async for frame in session.frames()]
    assert frames == offline(load(tmp_path, "tiny"), pcm, RATE_HZ)


async def test_patches_drawn_over_the_template_are_the_frames(pipeline: Pipeline, reference_avatar: Avatar) -> None:
    pcm, pictures = speechlike(RATE_HZ), list(reference_avatar.template_frames())
    whole = offline(reference_avatar, pcm, RATE_HZ)
    options: Any = {"avatar": "reference", "sample_rate": RATE_HZ, "pace": "lossless", "output": "patch"}
    async with connect(pipeline.url, **options) as session:
        assert tuple(session.started.patch) == reference_avatar.crops[0]
        await session.send_audio(pcm)
        await session.end()
        patches = [frame async for frame in session.frames()]
    assert len(patches) == len(whole)
    for patch, picture in zip(patches, whole, strict=True):
        x1, y1, x2, y2 = patch.bounds
        assert patch.bounds == reference_avatar.crops[patch.template]
        drawn = pictures[patch.template].copy()
        drawn[y1:y2, x1:x2] = decoded(patch.picture)
        assert np.abs(drawn.astype(int) - decoded(picture)).mean() < 2


def decoded(picture: bytes) -> Any:
    return cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR)


async def test_idle_patches_carry_no_picture(pipeline: Pipeline) -> None:
    async with (
        asyncio.timeout(60),
        connect(pipeline.url, avatar="tiny", sample_rate=RATE_HZ, idle="server", output="patch") as session,
    ):
        frames = session.frames()
        idle = [await anext(frames) for _ in range(5)]
    assert [frame.template for frame in idle] == [0, 1, 2, 3, 4]
    assert {(frame.flags, frame.picture, frame.bounds) for frame in idle} == {(Flag.IDLE, b"", (0, 0, 256, 160))}


async def test_floats_give_the_frames_of_the_integers_that_they_stand_for(
    pipeline: Pipeline, tiny_avatar: Avatar
) -> None:
    pcm = speechlike(RATE_HZ)
    floats = (np.frombuffer(pcm, "<i2") / 32_768).astype("<f4").tobytes()
    options: Any = {"avatar": "tiny", "sample_rate": RATE_HZ, "pace": "lossless", "format": "f32le"}
    async with connect(pipeline.url, **options) as session:
        await session.send_audio(floats[: 4 * 1001])
        await session.send_audio(floats[4 * 1001 :])
        await session.end()
        assert [frame.picture async for frame in session.frames()] == offline(tiny_avatar, pcm, RATE_HZ)


async def test_a_barge_in_says_what_was_heard(pipeline: Pipeline) -> None:
    async with connect(pipeline.url, avatar="tiny", sample_rate=RATE_HZ, pace="lossless") as session:
        await session.send_audio(speechlike(RATE_HZ * 2))
        await session.flush()
        items: list[Any] = []
        while not isinstance(items[-1] if items else None, SpeakEnded):
            items.append(await anext(session))
        await session.clear(shown=30)
        await session.ping("still there?")
        while not isinstance(items[-1], Pong):
            items.append(await anext(session))
        await session.send_audio(speechlike(RATE_HZ))
        await session.end()
        rest = [item async for item in session]
    told = [type(item) for item in items if not isinstance(item, Frame | Stats)]
    assert told == [Segment, SpeakStarted, SpeakEnded, Cleared, Pong]
    (cleared,) = [item for item in items if isinstance(item, Cleared)]
    assert (cleared.epoch, cleared.next_frame, cleared.segment, cleared.position_ms) == (1, 50, 0, 1240.0)
    frames = [item for item in rest if isinstance(item, Frame)]
    assert [(frame.epoch, frame.frame) for frame in frames] == [(1, 50 + k) for k in range(25)]
    assert frames[0].template == pipeline.gateway.avatars["tiny"].manifest.template_index(31), "the head goes on"
    assert items[-1].id == "still there?"


async def test_the_header_is_as_the_page_says(pipeline: Pipeline) -> None:
    rows = re.findall(
        r"^\| (\d+) \| (\d+) \| (bytes|u8|u16|u32|u64|4 × u16) \| (\w+) \|",
        PROTOCOL_PAGE.read_text(encoding="utf-8"),
        re.MULTILINE,
    )
    header = FrameHeader(11, 12, 13, 14, (1, 2, 3, 4), flags=Flag.LAST)  # type: ignore[arg-type]
    message = header.pack(b"jpeg")
    found = {
        name: int.from_bytes(message[int(offset) : int(offset) + int(size)], "little") for offset, size, _, name in rows
    }
    assert found.pop("bounds") == 1 | 2 << 16 | 3 << 32 | 4 << 48
    assert found == {
        "magic": int.from_bytes(b"LS", "little"), "version": 1, "codec": 1, "flags": 4, "length": 40, "epoch": 11,
        "frame": 12, "pts_us": 13, "template": 14, "size": 4,
    }  # fmt: skip
