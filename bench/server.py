"""`lipstream up` around a measurement, which asks for as much as it likes."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from redis import Redis

from cli.embedded_redis import prepared
from cli.up import missing_parts

PORT = int(os.environ.get("BENCH_PORT", "3917"))
URL = f"ws://127.0.0.1:{PORT}/ws"


@contextlib.contextmanager
def running(workers: int | None = None, **settings: str) -> Iterator[None]:
    """A server as a user starts it, but for some settings, ready when the block begins."""
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", PORT)) == 0:
            raise SystemExit(f"something else listens on port {PORT}: name another one by BENCH_PORT")
    command = [sys.executable, "-m", "cli", "up", "--port", str(PORT)]
    command += [] if workers is None else ["--workers", str(workers)]
    process = subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=os.environ
        | {"LIPSTREAM_ADMIT_BY_LOAD": "false"}
        | {f"LIPSTREAM_{name.upper()}": value for name, value in settings.items()},
    )
    try:
        _await_ready()
        yield
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(15)


@contextlib.contextmanager
def on_redis(workers: int | None = None, **settings: str) -> Iterator[Redis]:
    """The same on a Redis that can be asked."""
    with prepared() as own:
        process = subprocess.Popen(own.command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            await_socket(own.socket)
            with running(workers, redis_url=own.url, **settings), Redis(unix_socket_path=str(own.socket)) as redis:
                yield redis
        finally:
            process.terminate()
            process.wait(10)


def await_socket(path: Path) -> None:
    for _ in range(200):
        if path.exists():
            return
        time.sleep(0.05)
    raise SystemExit("Redis did not start")


def _await_ready() -> None:
    for _ in range(300):
        if not missing_parts("127.0.0.1", PORT):
            return
        time.sleep(0.2)
    raise SystemExit("lipstream up did not become ready")
