"""What docs/memory.md says that a session takes, measured: while it speaks, while nobody reads, afterwards."""

import asyncio
import gc
import json
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis
from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as open_socket

from common import keys
from common.avatars.package import Avatar
from common.avatars.timeline import OPEN, columns_of_frames
from common.frames import HEADER_BYTES
from common.settings import Settings
from gateway.connection import Connection
from gateway.doors.sockets import BoundedWebSocket
from gateway.earlier.line import Line
from gateway.intake import Intake
from gateway.session import SessionCore
from lipstream_client import connect
from lipstream_client.frames import Frame
from lipstream_client.session import Session
from tests.pipeline import BUILDERS, Pipeline, running, stages_are_empty, until, what_stays
from tests.speech import speechlike

RATE_HZ = 16_000
SAMPLES_PER_FRAME = 640
FRAMES = 240
ENTRY_BYTES = 256
"""What Redis adds to an entry of a stream or a hash, at most; jemalloc rounds large ones up by a quarter, at most."""
RECORD_BYTES = 4_096
SEGMENTS_BYTES = 64 * 320
WRITE_BUFFER_BYTES = 65_536
RINGS: dict[str, Any] = {"audio_ring_frames": 164, "frame_ring_slots": 64, "in_flight_frames": 64}
OF_SESSIONS = (Connection, SessionCore, Intake, Line, BoundedWebSocket)


def redis_bytes(settings: Settings, picture_bytes: int) -> dict[str, int]:
    """The formula of docs/memory.md: bytes of each key of a session, at most."""
    return {
        "record": RECORD_BYTES,
        "segments": SEGMENTS_BYTES,
        "audio": (settings.audio_ring_frames + 8) * (2 * SAMPLES_PER_FRAME + ENTRY_BYTES),
        "frames": settings.frame_ring_slots * (round(1.25 * (HEADER_BYTES + picture_bytes)) + ENTRY_BYTES),
    }


def gateway_bytes(settings: Settings, picture_bytes: int) -> dict[str, int]:
    """The formula of docs/memory.md: bytes that a gateway holds of a session, at most."""
    message = HEADER_BYTES + picture_bytes
    return {
        "frames": settings.in_flight_frames * message,
        "audio": settings.intake_bytes + settings.message_max_bytes,
        "socket": WRITE_BUFFER_BYTES + 3 * message,
    }


async def used_bytes(redis: Redis, session: str) -> dict[str, int]:
    names = {
        "record": keys.session(session), "segments": keys.segments(session),
        "audio": keys.audio_ring(session), "frames": keys.frame_ring(session),
    }  # fmt: skip
    return {kind: int(await redis.memory_usage(name, samples=0) or 0) for kind, name in names.items()}


async def speak(session: Session) -> None:
    """Fill both rings, and go on hearing until next to nothing is under way."""
    sending = asyncio.create_task(session.send_audio(speechlike(FRAMES * SAMPLES_PER_FRAME)))
    count = 0
    async for item in session:
        count += isinstance(item, Frame)
        if count == FRAMES - 20:
            break
    await sending


async def largest_picture(redis: Redis, session: str) -> int:
    """Bytes of the largest picture in a session's frame ring."""
    found: Any = await redis.hvals(keys.frame_ring(session))
    return max(map(len, found)) - HEADER_BYTES


def alive() -> list[Any]:
    """What gateways hold of sessions."""
    gc.collect()
    # By its very type: `isinstance` follows weak references, some of which are dead.
    return [found for found in gc.get_objects() if type(found) in OF_SESSIONS]


@asynccontextmanager
async def speaking(redis_server: str, folder: Path, **changes: Any) -> AsyncIterator[Pipeline]:
    async with running(redis_server, folder, admit_by_load=False, **RINGS | changes) as pipeline:
        yield pipeline


async def test_full_rings_take_what_the_formula_says_and_everything_is_given_back(
    redis_server: str, avatars_folder: Path
) -> None:
    async with speaking(redis_server, avatars_folder) as pipeline:
        async with AsyncExitStack() as stack:
            options: Any = {"avatar": "tiny", "sample_rate": RATE_HZ, "pace": "lossless"}
            sessions = [
                await stack.enter_async_context(connect(pipeline.url, **options, output=output))
                for output in ("frame", "patch")
            ]
            await asyncio.gather(*(speak(session) for session in sessions))
            ids = [session.started.session for session in sessions]
            largest = [await largest_picture(pipeline.redis, each) for each in ids]
            for session, picture_bytes in zip(ids, largest, strict=True):
                used = await used_bytes(pipeline.redis, session)
                limits = redis_bytes(pipeline.gateway.settings, picture_bytes)
                assert {kind for kind in used if used[kind] > limits[kind]} == set()
                assert used["audio"] > limits["audio"] / 2
                assert used["frames"] > limits["frames"] / 2
            assert len([found for found in alive() if isinstance(found, Connection)]) == len(sessions)
        await until(lambda: not pipeline.gateway.sessions)
        await until(lambda: not alive())
        assert await what_stays(pipeline.redis) == []
        await stages_are_empty(pipeline.redis)


@pytest.mark.parametrize("gone", list(BUILDERS))
async def test_what_waits_for_a_stage_that_is_gone_takes_no_more_than_the_formula_says(
    redis_server: str, avatars_folder: Path, tiny_avatar: Avatar, monkeypatch: pytest.MonkeyPatch, gone: str
) -> None:
    monkeypatch.setattr("tests.pipeline.BUILDERS", dict(takewhile(lambda item: item[0] != gone, BUILDERS.items())))
    width, height = tiny_avatar.manifest.image.inner
    columns = columns_of_frames(tiny_avatar.manifest, FRAMES, 1, OPEN).length
    payload = {"audio": 0, "inference": 320 * columns, "compositor": round(1.25 * 3 * width * height)}[gone]
    options: Any = {"avatar": "tiny", "sample_rate": RATE_HZ, "pace": "lossless"}
    async with (
        speaking(redis_server, avatars_folder) as pipeline,
        connect(pipeline.url, **options) as session,
    ):
        await session.send_audio(speechlike(FRAMES * SAMPLES_PER_FRAME))
        await settled(pipeline.redis, gone)
        redis = pipeline.redis
        blobs = [key async for key in redis.scan_iter("blob:*")]
        waiting = blobs + [key async for key in redis.scan_iter("stage:*")]
        used = sum([int(await redis.memory_usage(key, samples=0) or 0) for key in waiting])
        assert RINGS["in_flight_frames"] * payload / 8 < used <= RINGS["in_flight_frames"] * (512 + payload)
        assert bool(blobs) == (gone == "compositor")
        assert all([0 < await redis.ttl(key) <= pipeline.gateway.settings.blob_ttl_s for key in blobs])


async def settled(redis: Redis, gone: str) -> None:
    """Wait until the tasks of most of the frames that may be under way wait for a stage, and Redis grows no more."""
    stream = keys.stage(gone, "default" if gone == "inference" else None)
    async with asyncio.timeout(60):
        while await frames_of(redis, stream) < RINGS["in_flight_frames"] / 2:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    before, now = -1, 0
    while now != before:
        before = now
        await asyncio.sleep(0.5)
        now = await redis.dbsize() + sum([await redis.xlen(key) async for key in redis.scan_iter("stage:*")])


async def frames_of(redis: Redis, stream: str) -> int:
    """Frames of the tasks in a work stream."""
    entries: Any = await redis.xrange(stream)
    return sum(int(fields[b"count"]) for _, fields in entries)


async def test_a_gateway_keeps_no_object_of_clients_that_vanish_are_refused_or_talk_nonsense(
    redis_server: str, avatars_folder: Path
) -> None:
    starts = [{"type": "start", "avatar": "tiny"}, {"type": "start", "avatar": "nobody"}, {"type": "list_models"}]
    async with speaking(redis_server, avatars_folder, resume_s=1) as pipeline:
        for start in starts * 5:
            async with open_socket(pipeline.url) as client:
                await client.send(json.dumps(start))
                await client.send(speechlike(8_000))
                await client.send("{")
                await client.recv()
                client.transport.abort()
        await until(lambda: not pipeline.gateway.sessions)
        await until(lambda: not alive())


async def deaf_client(pipeline: Pipeline) -> ClientConnection:
    """A client that has sent a minute of speech and reads nothing, with as small a buffer as the kernel gives."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    connection.setblocking(False)
    host, port = pipeline.http.removeprefix("http://").split(":")
    await asyncio.get_running_loop().sock_connect(connection, (host, int(port)))
    client = await open_socket(pipeline.url, sock=connection, compression=None, ping_interval=None)
    await client.send(json.dumps({"type": "start", "avatar": "tiny", "sample_rate": RATE_HZ, "pace": "lossless"}))
    for _ in range(2):
        await client.recv()
    client.transport.pause_reading()
    return client


def held_bytes(connection: Connection, protocol: BoundedWebSocket) -> dict[str, int]:
    """What a gateway holds of a session now."""
    core = connection.core
    return {
        "frames": sum(len(item.message) for item in core.outbox) + sum(map(len, core.reorder._arrived.values())),
        "audio": connection.intake._weight,
        "socket": protocol.transport.get_write_buffer_size(),
    }


async def test_a_client_that_reads_nothing_costs_a_bounded_amount_until_it_is_cut_off(
    redis_server: str, avatars_folder: Path
) -> None:
    changes = {"slow_client_s": 6, "intake_bytes": 500_000, "message_max_bytes": 100_000}
    async with speaking(redis_server, avatars_folder, **changes) as pipeline:
        client = await deaf_client(pipeline)
        found = alive()
        (connection,) = (each for each in found if isinstance(each, Connection))
        (protocol,) = (each for each in found if isinstance(each, BoundedWebSocket))
        pcm = speechlike(100 * RATE_HZ)

        async def send() -> None:
            for start in range(0, len(pcm), 64_000):
                await client.send(pcm[start : start + 64_000])

        sending, samples = asyncio.create_task(send()), [held_bytes(connection, protocol)]
        while pipeline.gateway.sessions:
            samples.append(held_bytes(connection, protocol))
            await asyncio.sleep(0.02)
        sending.cancel()
        limits = gateway_bytes(pipeline.gateway.settings, await largest_picture(pipeline.redis, connection.session))
        most = {kind: max(sample[kind] for sample in samples) for kind in limits}
        assert {kind for kind in most if most[kind] > limits[kind]} == set()
        assert most["frames"] > limits["frames"] / 2
        assert most["audio"] > limits["audio"] / 2
        del connection, protocol, found
        client.transport.abort()
        await until(lambda: not alive())
