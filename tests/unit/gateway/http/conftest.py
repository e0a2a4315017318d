"""A gateway's application without sockets, over a faked Redis."""

import contextlib
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

import fakeredis
import httpx
import pytest

from common import keys
from common.avatars.registry import load_all
from common.settings import Settings
from gateway.app import build
from gateway.bus import GatewayBus
from gateway.context import Gateway

STAGES = ("audio", "inference", "compositor")
Opened = Callable[..., contextlib.AbstractAsyncContextManager["Running"]]


class Running(NamedTuple):
    """A gateway, and a client that asks it from this machine."""

    gateway: Gateway
    http: httpx.AsyncClient

    async def beat(self, *stages: str, avatars: str = "tiny,reference") -> None:
        """Heartbeats as workers leave them."""
        facts: dict[Any, Any] = {
            "host": "box", "pid": 7, "seen_at": time.time(), "avatars": avatars, "tasks": 3, "frames": 24,
            "dropped": 0, "retried": 0, "dead": 1, "work_ms": 12.5,
        }  # fmt: skip
        for stage in stages or STAGES:
            await self.gateway.bus.redis.hset(keys.worker(stage, "box-7-abc"), mapping=facts)


@pytest.fixture
def opened(avatars_folder: Path) -> Opened:
    """Makes a running gateway with some settings changed."""

    @contextlib.asynccontextmanager
    async def make(client: tuple[str, int] = ("127.0.0.1", 5), **changes: Any) -> AsyncIterator[Running]:
        places = {"avatars_dir": avatars_folder, "jobs_url": f"memory://{uuid4().hex}"}
        settings = Settings(**places | {"avatars": ("tiny",), "block_ms": 50} | changes)
        redis = fakeredis.FakeAsyncRedis(version=(6, 2))
        await redis.flushall()
        gateway = Gateway(settings, load_all(settings), GatewayBus(redis, settings, "here"))
        gateway.jobs.connect = lambda settings: fakeredis.FakeRedis(version=(6, 2), server=fakeredis.FakeServer())
        app = build(gateway)
        transport = httpx.ASGITransport(app, raise_app_exceptions=False, client=client)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:3000") as http,
        ):
            yield Running(gateway, http)
        await redis.aclose()

    return make


@pytest.fixture
async def running(opened: Opened) -> AsyncIterator[Running]:
    """A gateway with the defaults, and workers of every stage."""
    async with opened() as made:
        await made.beat()
        yield made
