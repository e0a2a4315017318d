"""The console in a real browser, against a running Lipstream with the demo avatar."""

import asyncio
import io
import os
import shutil
import time
import urllib.request
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.async_api import Page, WebSocketRoute, async_playwright, expect

from common.avatars.package import default_folder, load

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
    "--autoplay-policy=no-user-gesture-required",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
)
SLOW_MS = 60_000
FRAME_MS = 40
LOOK_EVERY_S = 0.12
AT_REST = 1.5
"""A closed mouth differs from the template video by less, in grey levels."""

HEAR = """
(() => {
  const connect = AudioNode.prototype.connect;
  AudioNode.prototype.connect = function (target, ...rest) {
    if (target instanceof AudioDestinationNode && this instanceof AudioBufferSourceNode) {
      const ear = new AnalyserNode(this.context);
      window.loudness = () => {
        const wave = new Float32Array(ear.fftSize);
        ear.getFloatTimeDomainData(wave);
        return Math.sqrt(wave.reduce((sum, one) => sum + one * one, 0) / wave.length);
      };
      connect.call(this, ear);
    }
    return connect.call(this, target, ...rest);
  };
})();
"""
"""Lets a test hear what the page plays."""

LOOK = """
([x, y, width, height]) => {
  const make = () => new OffscreenCanvas(width / 4, height / 4).getContext("2d", { willReadFrequently: true });
  const small = (window.small ??= make());
  small.imageSmoothingQuality = "medium";
  small.drawImage(document.getElementById("screen"), x, y, width, height, 0, 0, width / 4, height / 4);
  const { data } = small.getImageData(0, 0, width / 4, height / 4);
  return { pixels: Array.from(data), loudness: window.loudness?.() ?? 0 };
}
"""
"""The face on the canvas at a quarter of its size, RGBA, and the loudness of what is heard."""


class Mouth(NamedTuple):
    """Where the mouth is on the canvas, and what it looks like at rest."""

    box: tuple[int, int, int, int]
    at_rest: NDArray[np.float32]
    """shape (template frames, pixels), as `_grey` gives them"""

    def residual(self, pixels: list[int]) -> NDArray[np.float32]:
        """What the template frame that is most alike leaves over: head motion is in the template, speech is not."""
        rest = _grey(np.asarray(pixels, np.float32).reshape(-1, 4)) - self.at_rest
        return np.asarray(rest[np.abs(rest).mean(axis=1).argmin()], np.float32)


class Watched(NamedTuple):
    """What was seen and heard for some seconds; a row for each look."""

    residuals: NDArray[np.float32]
    loudness: NDArray[np.float32]

    @property
    def opening(self) -> float:
        """Grey levels by which the face differs from the template at most."""
        return float(np.abs(self.residuals).mean(axis=1).max())

    @property
    def motion(self) -> float:
        """Grey levels by which the face differs from itself, beyond what the head does."""
        return float(np.abs(self.residuals[:, None] - self.residuals).mean(axis=2).max())


def _grey(pixels: NDArray[Any]) -> NDArray[np.float32]:
    """Grey levels around their mean: browsers and FFmpeg differ in how they bring video to RGB."""
    grey = pixels[..., :3].mean(axis=-1, dtype=np.float32).reshape(-1)
    return np.asarray(grey - grey.mean(), np.float32)


@pytest.fixture(scope="module")
def url(lipstream_server: str) -> str:
    """Where the console is."""
    return lipstream_server.rstrip("/")


@pytest.fixture(scope="module")
def mouth(url: str) -> Mouth:
    """The demo's face crop, in every frame of the template video that the page shows."""
    x1, y1, x2, y2 = load(default_folder(), "demo").crops[0]
    size = (x2 - x1) // 4, (y2 - y1) // 4
    with urllib.request.urlopen(f"{url}/api/avatars/demo/template.mp4") as answer:
        video = io.BytesIO(answer.read())
    with av.open(video, mode="r") as container:
        faces = [
            _grey(cv2.resize(frame.to_ndarray(format="rgb24")[y1:y2, x1:x2], size, interpolation=cv2.INTER_AREA))
            for frame in container.decode(video=0)
        ]
    return Mouth((x1, y1, x2 - x1, y2 - y1), np.stack(faces))


@pytest.fixture
async def page(url: str) -> AsyncIterator[Page]:
    """An empty page; a console error, an exception or an unhandled rejection in it fails the test."""
    if CHROMIUM is None:
        if os.environ.get("CI"):
            pytest.fail("no Chromium: install the package `chromium`")
        pytest.skip("no Chromium on this machine")
    faults: list[str] = []
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        page = await browser.new_page(viewport={"width": 640, "height": 760})
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda line: faults.append(line.text) if line.type in ("error", "warning") else None)
        page.on("request", lambda request: faults.append(request.url) if not request.url.startswith(url) else None)
        await page.add_init_script(HEAR)
        yield page
        await browser.close()
    assert faults == []


async def reach(page: Page, state: str) -> None:
    await page.wait_for_selector(f'html[data-state="{state}"]', state="attached", timeout=SLOW_MS)


async def open_console(page: Page, url: str) -> None:
    await page.goto(url)
    await reach(page, "idle")
    await page.wait_for_selector("#stage[data-ready]", timeout=SLOW_MS)


async def stats(page: Page) -> dict[str, Any]:
    found: dict[str, Any] = await page.evaluate("() => window.lipstream.stats")
    return found


async def watch(page: Page, mouth: Mouth, duration_s: float) -> Watched:
    """Look and listen, some times a second."""
    residuals, loudness = [], []
    end_s = time.monotonic() + duration_s
    while time.monotonic() < end_s:
        look = await page.evaluate(LOOK, mouth.box)
        residuals.append(mouth.residual(look["pixels"]))
        loudness.append(look["loudness"])
        await asyncio.sleep(LOOK_EVERY_S)
    return Watched(np.stack(residuals), np.asarray(loudness, np.float32))


async def test_the_mouth_rests_then_moves_with_the_sample_then_rests_again(page: Page, url: str, mouth: Mouth) -> None:
    await open_console(page, url)
    before = await watch(page, mouth, 2)
    await page.keyboard.press("Space")
    await reach(page, "speaking")
    during = await watch(page, mouth, 6)
    await reach(page, "idle")
    await asyncio.sleep(1)
    after = await watch(page, mouth, 2)

    assert before.loudness.max() == 0
    assert during.loudness.max() > 0.02
    assert before.opening < AT_REST
    assert after.opening < AT_REST
    assert during.opening > 2 * AT_REST
    assert during.motion > 2 * max(before.motion, after.motion)

    numbers = await stats(page)
    assert numbers["framesShown"] >= 60
    assert numbers["segments"] == 1
    assert numbers["errors"] == 0
    assert np.percentile(numbers["skewMs"], 95) <= FRAME_MS
    assert min(numbers["skewMs"]) >= 0
    assert numbers["latencyMs"] > 0


async def test_an_interruption_closes_the_mouth_and_ends_the_sound_at_once(page: Page, url: str, mouth: Mouth) -> None:
    await open_console(page, url)
    await page.click("#play")
    await reach(page, "speaking")
    await asyncio.sleep(2)
    await page.keyboard.press("Escape")
    assert await page.get_attribute("html", "data-state") == "idle"
    await asyncio.sleep(0.2)
    later = await watch(page, mouth, 2)
    assert later.opening < AT_REST
    assert later.loudness.max() == 0

    shown = (await stats(page))["framesShown"]
    await asyncio.sleep(1)
    assert (await stats(page))["framesShown"] == shown


async def test_a_second_sample_plays_after_an_interrupted_one(page: Page, url: str) -> None:
    await open_console(page, url)
    for _ in range(2):
        await page.click("#play")
        await reach(page, "speaking")
        await page.click("#interrupt")
        await reach(page, "idle")
    assert (await stats(page))["errors"] == 0


async def test_the_microphone_drives_the_face_until_its_last_word(page: Page, url: str) -> None:
    await open_console(page, url)
    await page.check("[value=microphone]", force=True)
    await expect(page.locator("#play")).to_be_enabled()
    await page.click("#play")
    await reach(page, "speaking")
    await asyncio.sleep(3)
    await page.click("#play")
    await reach(page, "idle")
    numbers = await stats(page)
    assert numbers["framesShown"] >= 20
    assert numbers["segments"] == 1
    assert numbers["errors"] == 0


async def test_a_file_without_sound_is_explained_in_plain_words(page: Page, url: str, tmp_path: Path) -> None:
    await open_console(page, url)
    broken = tmp_path / "notes.wav"
    broken.write_text("this is no recording")
    await page.set_input_files("#file", broken)
    await reach(page, "error")
    await expect(page.locator("#help")).to_contain_text("no sound that this browser can read")
    await expect(page.locator("#play")).to_be_enabled()


async def test_a_lost_connection_is_told_and_comes_back(page: Page, url: str) -> None:
    connections: list[WebSocketRoute] = []

    def pass_on(connection: WebSocketRoute) -> None:
        connections.append(connection)
        connection.connect_to_server()

    await page.route_web_socket("**/ws", pass_on)
    await open_console(page, url)
    await page.click("#play")
    await reach(page, "speaking")
    await connections[0].close(code=1001, reason="the server goes away")
    await expect(page.locator("#help")).to_contain_text("connection was lost")
    await reach(page, "idle")
    assert len(connections) == 2
    await page.click("#play")
    await reach(page, "speaking")


async def test_the_page_fits_a_phone_and_every_control_has_a_name(page: Page, url: str) -> None:
    await page.set_viewport_size({"width": 390, "height": 844})
    await open_console(page, url)
    assert await page.evaluate("() => document.documentElement.scrollWidth") <= 390
    for name in ("Sample", "File", "Microphone"):
        await expect(page.get_by_role("radio", name=name)).to_have_count(1)
    for name in ("Play", "Interrupt"):
        await expect(page.get_by_role("button", name=name)).to_have_count(1)
