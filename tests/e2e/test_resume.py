"""What the console does when the server goes away and comes back."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from playwright.async_api import Page, WebSocket, WebSocketRoute, expect
from redis import Redis

from tests.e2e.browser import SLOW_MS, choose, chromium, open_console, reach, record_faults, shown, stats, until_past
from tests.e2e.processes import await_ready
from tests.pipeline import free_port

SAMPLE_FRAMES = 275
BACK_S = 1.0
"""Within so long of its gateway's return, a page is connected again."""


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


class Visit(NamedTuple):
    """A page at the gateway that can be killed, and what the server tells it in JSON."""

    page: Page
    told: list[dict[str, Any]]

    def sessions(self, kind: str) -> list[str]:
        """The sessions of which the server has said `started` or `resumed`."""
        return [event["session"] for event in self.told if event["type"] == kind]


@pytest.fixture
def gateway(lipstream_server: str, redis_url: str, avatars_dir: Path) -> Iterator[OneGateway]:
    """A second gateway on the pipeline of the other tests."""
    one = OneGateway(free_port(), redis_url, avatars_dir)
    one.start()
    yield one
    one.kill()


@pytest.fixture
async def visit(gateway: OneGateway, spoken_wav: Path) -> AsyncIterator[Visit]:
    """A console at rest."""
    await gateway.until_up()
    async with chromium(spoken_wav) as browser:
        page = await browser.new_page(viewport={"width": 640, "height": 760})
        faults = record_faults(page, (gateway.url, "blob:", "data:"))
        told = record_told(page)
        await open_console(page, gateway.url)
        yield Visit(page, told)
    # The browser itself notes each connection that nobody takes.
    assert [fault for fault in faults if "WebSocket connection" not in fault] == []


def record_told(page: Page) -> list[dict[str, Any]]:
    """What the server says in JSON, over all connections."""
    told: list[dict[str, Any]] = []

    def listen(connection: WebSocket) -> None:
        connection.on("framereceived", lambda said: told.append(json.loads(said)) if isinstance(said, str) else None)

    page.on("websocket", listen)
    return told


async def until_away(page: Page) -> None:
    await _until_last(page, "Connecting again", "Connected again")


async def until_back(page: Page) -> None:
    await _until_last(page, "Connected again", "Connecting again")


async def _until_last(page: Page, words: str, others: str) -> None:
    """Until the log's last word of the two is that. It has the newest first.

    Looks at every picture of the browser; what looks for an element may look half a second too late.
    """
    is_last = """([words, others]) => {
      const said = document.getElementById("log").textContent;
      const [first, second] = [words, others].map((one) => said.indexOf(one));
      return first >= 0 && (second < 0 || first < second);
    }"""
    await page.wait_for_function(is_last, arg=[words, others], timeout=SLOW_MS)


async def assert_all_was_shown(page: Page) -> None:
    """The sample has been said once, from its first frame to its last."""
    numbers = await stats(page)
    frames = [frame for _, frame in numbers["shown"]]
    assert frames == sorted(set(frames))
    assert numbers["framesShown"] + numbers["framesDropped"] == SAMPLE_FRAMES
    assert numbers["segments"] == 1
    assert numbers["errors"] == 0


async def test_speech_goes_on_when_a_killed_gateway_is_back(gateway: OneGateway, visit: Visit) -> None:
    page = visit.page
    await page.click("#play")
    await reach(page, "speaking")
    taken_s: list[float] = []
    # A machine that stands still at the wrong moment says nothing of the page.
    while min(taken_s, default=BACK_S) >= BACK_S and len(taken_s) < 3:
        await until_past(page, 20 + 70 * len(taken_s))
        gateway.kill()
        await until_away(page)
        gateway.start()
        await gateway.until_up()
        up_s = time.monotonic()
        await until_back(page)
        taken_s.append(time.monotonic() - up_s)
    assert min(taken_s) < BACK_S
    await reach(page, "idle")
    await assert_all_was_shown(page)
    assert visit.sessions("started") * len(taken_s) == visit.sessions("resumed")


async def test_a_lost_connection_costs_no_frame(page: Page, url: str) -> None:
    connections: list[WebSocketRoute] = []

    def pass_on(connection: WebSocketRoute) -> None:
        connections.append(connection)
        connection.connect_to_server()

    await page.route_web_socket("**/ws", pass_on)
    await open_console(page, url)
    await page.click("#play")
    await reach(page, "speaking")
    for frames in (20, 80):
        await until_past(page, frames)
        await connections[-1].close(code=1001, reason="the server goes away")
    await until_back(page)
    await reach(page, "idle")
    assert len(connections) >= 3
    await assert_all_was_shown(page)


async def test_a_barge_in_during_the_outage_silences_the_face_for_good(gateway: OneGateway, visit: Visit) -> None:
    page = visit.page
    await page.click("#play")
    await reach(page, "speaking")
    await until_past(page, 20)
    gateway.kill()
    await until_away(page)
    await page.keyboard.press("Escape")
    await expect(page.locator("#interrupt")).to_be_disabled()
    before = await stats(page)
    gateway.start()
    await until_back(page)
    await page.click("#play")
    await reach(page, "speaking")
    await reach(page, "idle")
    numbers = await stats(page)
    epochs = [epoch for epoch, _ in numbers["shown"]]
    assert epochs == [0] * before["framesShown"] + [1] * (numbers["framesShown"] - before["framesShown"])
    again = [numbers[kind] - before[kind] for kind in ("framesShown", "framesDropped")]
    assert sum(again) == SAMPLE_FRAMES
    assert visit.sessions("started") == visit.sessions("resumed")


async def test_a_server_that_has_forgotten_everything_begins_anew_where_the_face_is(
    gateway: OneGateway, visit: Visit, redis_url: str
) -> None:
    page = visit.page
    await page.click("#play")
    await reach(page, "speaking")
    await until_past(page, 20)
    gateway.kill()
    await until_away(page)
    with Redis.from_url(redis_url) as redis:
        redis.flushall()
    gateway.start()
    await until_back(page)
    await reach(page, "idle")
    await assert_all_was_shown(page)
    first, second = visit.sessions("started")
    assert first != second
    assert visit.sessions("resumed") == []


async def test_a_gateway_whose_redis_has_lost_the_session_goes_on_with_it(visit: Visit, redis_url: str) -> None:
    page = visit.page
    await page.click("#play")
    await reach(page, "speaking")
    await until_past(page, 20)
    with Redis.from_url(redis_url) as redis:
        redis.flushall()
    await until_back(page)
    await reach(page, "idle")
    await assert_all_was_shown(page)
    assert visit.sessions("started") == visit.sessions("resumed")


async def test_the_microphone_goes_on_without_what_was_said_long_ago(gateway: OneGateway, visit: Visit) -> None:
    page = visit.page
    await choose(page, "microphone")
    await page.click("#play")
    await reach(page, "speaking")
    gateway.kill()
    await until_away(page)
    await asyncio.sleep(3)
    gateway.start()
    await until_back(page)
    before = (await stats(page))["framesShown"]
    await shown(page, before + 50)
    again_ms = await page.evaluate("() => /(\\d+) ms of speech/.exec(document.getElementById('log').textContent)[1]")
    assert int(again_ms) <= 1000
    assert visit.sessions("started")[-1:] == visit.sessions("resumed")
