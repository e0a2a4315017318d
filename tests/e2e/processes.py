"""The processes that the tests talk to: a Redis, a whole Lipstream, a gateway on its own."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from cli.embedded_redis import prepared
from common.avatars.package import default_folder
from tests.avatar_package import write_package
from tests.pipeline import free_port

START_TIMEOUT_S = 120
STOP_TIMEOUT_S = 60


@contextmanager
def redis_server() -> Iterator[str]:
    """URL of a Redis that is gone afterwards."""
    with prepared() as server:
        process = subprocess.Popen(server.command, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
        try:
            while not _listens(server.socket):
                assert process.poll() is None, "this Redis does not start"
                time.sleep(0.02)
            yield server.url
        finally:
            process.terminate()
            process.wait(STOP_TIMEOUT_S)


def _listens(path: Path) -> bool:
    """The file is there a moment before anybody listens."""
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(path)) == 0


@contextmanager
def lipstream(command: str, redis_url: str, log: Path, port: int | None = None, **settings: object) -> Iterator[str]:
    """Base URL of a running `lipstream up` or `lipstream gateway`; whoever kills it before the end may."""
    port = port or free_port()
    # How many sessions the machine has room for beside the other tests is not what these tests are about.
    settings = {"admit_by_load": False} | settings
    environment = os.environ | {f"LIPSTREAM_{name.upper()}": str(value) for name, value in settings.items()}
    arguments = [sys.executable, "-m", "cli", command, "--port", str(port), "--redis-url", redis_url]
    with log.open("a") as output:
        process = subprocess.Popen(
            arguments, stdout=output, stderr=output, stdin=subprocess.DEVNULL, env=environment, text=True
        )
        try:
            await_ready(f"http://127.0.0.1:{port}/readyz", lambda: process.poll() is None, log)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(STOP_TIMEOUT_S)


def two_avatars(folder: Path) -> Path:
    """A folder with the demo avatar, and beside it one of another size."""
    shutil.copytree(default_folder() / "demo", folder / "demo")
    other = write_package(folder, "other", frames=50, width=640, height=360)
    shutil.copy(folder / "demo" / "thumbnail.jpg", other)
    manifest = json.loads((other / "avatar.json").read_text())
    manifest |= {"title": "Waves", "thumbnail": "thumbnail.jpg"}
    (other / "avatar.json").write_text(json.dumps(manifest))
    return folder


def await_ready(url: str, is_alive: Callable[[], bool], log: Path | None = None) -> None:
    """Return as soon as the address answers with success."""
    give_up_s = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < give_up_s and is_alive():
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                if answer.status == 200:
                    return
        except (urllib.error.URLError, TimeoutError, ConnectionError):
            time.sleep(0.05)
    raise RuntimeError(f"{url} is not ready:\n{log.read_text()[-3000:] if log else ''}")
