"""What a client is cut off from, and another gateway for it to come back to."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import uvicorn

from common.avatars.registry import load_all
from gateway.app import build
from gateway.bus import GatewayBus
from gateway.context import Gateway
from gateway.main import configure
from lipstream_client import Session
from tests.pipeline import Pipeline, free_port, until


@contextlib.asynccontextmanager
async def beside(pipeline: Pipeline) -> AsyncIterator[str]:
    """A second gateway of the same installation; its URL."""
    settings = pipeline.gateway.settings.model_copy(update={"port": free_port()})
    gateway = Gateway(settings, load_all(settings), GatewayBus(pipeline.redis, settings, "other-gateway"))
    server = uvicorn.Server(configure(settings, build(gateway)))
    serving = asyncio.create_task(server.serve())
    try:
        await until(lambda: server.started)
        yield f"ws://127.0.0.1:{settings.port}/ws"
    finally:
        server.should_exit = True
        await asyncio.wait([serving], timeout=30)


def cut(session: Session) -> None:
    """The network drops the connection, without a word to anybody."""
    session._line._socket.transport.abort()
