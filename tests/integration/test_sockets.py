"""Below the level of messages: fragments, pings that nobody reads the answers to, and pongs that wait behind audio."""

import asyncio
import gc
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from starlette.applications import Starlette
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame, Opcode
from websockets.protocol import State

from common.settings import Settings
from gateway.doors.sockets import FRAGMENTS_MAX, PONG_BUFFER_BYTES, BoundedWebSocket
from gateway.main import configure
from tests.pipeline import Pipeline, running, until

START = json.dumps({"type": "start", "avatar": "tiny", "sample_rate": 16_000, "pace": "lossless"})
KEEPALIVE_S = 1.0
READ_BYTES = 262_144
"""What one read of the socket may bring."""


@pytest.fixture
async def idle_pipeline(
    redis_server: str, avatars_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Pipeline]:
    """A gateway that pings often, and no worker: what a client says is never worked on."""

    def impatient(settings: Settings, app: Starlette) -> uvicorn.Config:
        config = configure(settings, app)
        config.ws_ping_interval = config.ws_ping_timeout = KEEPALIVE_S
        return config

    monkeypatch.setattr("tests.pipeline.configure", impatient)
    changes: dict[str, Any] = {"admit_by_load": False, "intake_bytes": 100_000, "message_max_bytes": 50_000}
    async with running(redis_server, avatars_folder, count=0, **changes) as pipeline:
        yield pipeline


async def started(pipeline: Pipeline) -> ClientConnection:
    client = await connect(pipeline.url, compression=None, ping_interval=None)
    await client.send(START)
    for _ in range(2):
        await client.recv()
    return client


def the_gateways() -> BoundedWebSocket:
    gc.collect()
    (found,) = (each for each in gc.get_objects() if type(each) is BoundedWebSocket)
    assert isinstance(found, BoundedWebSocket)
    return found


async def test_a_client_whose_audio_waits_is_not_taken_for_dead(idle_pipeline: Pipeline) -> None:
    client = await started(idle_pipeline)

    async def send() -> None:
        while True:
            await client.send(bytes(50_000))

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(send(), 4 * KEEPALIVE_S)
    assert client.state is State.OPEN
    assert the_gateways().read_paused
    client.transport.abort()


async def test_a_client_that_answers_no_ping_is_taken_for_dead(idle_pipeline: Pipeline) -> None:
    client = await started(idle_pipeline)
    assert idle_pipeline.gateway.sessions
    client.transport.pause_reading()
    await until(lambda: not idle_pipeline.gateway.sessions)
    client.transport.abort()


async def test_pings_that_nobody_reads_the_answers_to_cost_a_bounded_amount(idle_pipeline: Pipeline) -> None:
    client = await started(idle_pipeline)
    gateways = the_gateways()
    client.transport.pause_reading()
    pings = Frame(Opcode.PING, bytes(125)).serialize(mask=True) * 500
    most, flood_bytes = 0, 12_000_000
    for _ in range(flood_bytes // len(pings)):
        client.transport.write(pings)
        await until(lambda: client.transport.get_write_buffer_size() == 0)
        most = max(most, gateways.transport.get_write_buffer_size())
    # The kernel holds some megabytes; what it does not take lies in the gateway.
    assert 0 < most <= PONG_BUFFER_BYTES + READ_BYTES
    client.transport.abort()


async def test_a_message_of_endless_fragments_closes_its_own_socket(idle_pipeline: Pipeline) -> None:
    client, beside = await started(idle_pipeline), await started(idle_pipeline)
    first = Frame(Opcode.BINARY, b"", fin=False).serialize(mask=True)
    more = Frame(Opcode.CONT, b"", fin=False).serialize(mask=True)
    client.transport.write(first + more * 2 * FRAGMENTS_MAX)
    with pytest.raises(ConnectionClosed) as caught:
        await client.recv()
    assert caught.value.rcvd is not None
    assert caught.value.rcvd.code == 1009
    await beside.send('{"type":"ping"}')
    assert json.loads(await beside.recv())["type"] == "pong"
    beside.transport.abort()


async def test_a_message_of_many_fragments_arrives_whole(idle_pipeline: Pipeline) -> None:
    client = await started(idle_pipeline)
    await client.send(iter(['{"type":', *" " * (FRAGMENTS_MAX - 3), '"ping"}']))
    assert json.loads(await client.recv())["type"] == "pong"
    client.transport.abort()
