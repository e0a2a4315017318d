"""What the console does when the server goes away and comes back."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.async_api import Page, WebSocketRoute, expect

from tests.e2e.browser import SLOW_MS, chromium, open_console, reach, record_faults, shown, stats
from tests.e2e.processes import await_ready
from tests.pipeline import free_port

SAMPLE_FRAMES = 275


class OneGateway:
    """A gateway beside the one of the pipeline, that can be killed."""

    def __init__(self, port: int, redis_url: str, avatars_dir: Path) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._command = [sys.executable, "-m", "cli", "gateway", "--port", str(port), "--redis-url", redis_url]
        self._environment = os.environ | {"LIPSTREAM_AVATARS_DIR": str(avatars_dir), "LIPSTREAM_AVATARS": "demo,other"}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        quiet = subprocess.DEVNULL
        self._process = subprocess.Popen(self._command, stdin=quiet, stdout=quiet, stderr=quiet, env=self._environment)

    async def until_up(self) -> None:
        await asyncio.to_thread(await_ready, f"{self.url}/healthz", lambda: True)

    def kill(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()


@pytest.fixture
def gateway(lipstream_server: str, redis_url: str, avatars_dir: Path) -> Iterator[OneGateway]:
    """A second gateway on the pipeline of the other tests."""
    one = OneGateway(free_port(), redis_url, avatars_dir)
    one.start()
    yield one
    one.kill()


async def test_speech_goes_on_when_a_killed_gateway_is_back(gateway: OneGateway) -> None:
    await gateway.until_up()
    async with chromium() as browser:
        page = await browser.new_page(viewport={"width": 640, "height": 760})
        faults = record_faults(page, (gateway.url, "blob:", "data:"))
        await open_console(page, gateway.url)
        await page.click("#play")
        await reach(page, "speaking")
        await shown(page, 20)
        gateway.kill()
        await expect(page.locator("#log")).to_contain_text("Connecting again")
        gateway.start()
        await gateway.until_up()
        back_s = time.monotonic()
        await expect(page.locator("#log")).to_contain_text("Connected again", timeout=SLOW_MS)
        assert time.monotonic() - back_s < 1
        await reach(page, "idle")
        numbers = await stats(page)
    assert numbers["framesShown"] + numbers["framesDropped"] == SAMPLE_FRAMES
    assert numbers["segments"] == 1
    # The browser itself notes each connection that nobody takes.
    assert [fault for fault in faults if "WebSocket connection" not in fault] == []


async def test_a_lost_connection_costs_no_frame(page: Page, url: str) -> None:
    connections: list[WebSocketRoute] = []

    def pass_on(connection: WebSocketRoute) -> None:
        connections.append(connection)
        connection.connect_to_server()

    await page.route_web_socket("**/ws", pass_on)
    await open_console(page, url)
    await page.click("#play")
    await reach(page, "speaking")
    await connections[-1].close(code=1001, reason="the server goes away")
    await expect(page.locator("#log")).to_contain_text("Connected again")
    await reach(page, "idle")
    numbers = await stats(page)
    assert numbers["framesShown"] + numbers["framesDropped"] == SAMPLE_FRAMES
    assert numbers["segments"] == 1
