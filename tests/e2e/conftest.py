"""A real `lipstream up` with the demo avatar, as a user starts it."""

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.pipeline import free_port

START_TIMEOUT_S = 90


@pytest.fixture(scope="session")
def lipstream_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Base URL of a running pipeline; LIPSTREAM_TEST_URL names one that is there already."""
    if url := os.environ.get("LIPSTREAM_TEST_URL"):
        yield url
        return
    port, log = free_port(), tmp_path_factory.mktemp("up") / "log"
    command = [sys.executable, "-m", "cli", "up", "--port", str(port)]
    with log.open("w") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, stdin=subprocess.DEVNULL)
        try:
            _await_ready(f"http://127.0.0.1:{port}/readyz", process, log)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(15)


def _await_ready(url: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    give_up_s = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < give_up_s and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=1) as answer:
                if answer.status == 200:
                    return
        except (urllib.error.URLError, TimeoutError):
            time.sleep(0.2)
    pytest.fail(f"lipstream up is not ready:\n{log.read_text()[-3000:]}")
