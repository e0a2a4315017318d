"""Pictures of the console for the documentation: `python -m tests.e2e.screenshots [FOLDER]`."""

import asyncio
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from playwright.async_api import Browser, Page, ViewportSize, expect

from tests.e2e.browser import SLOW_MS, choose, chromium, open_console, reach, shown
from tests.e2e.processes import lipstream, redis_server, two_avatars
from tests.e2e.recordings import SAMPLE, write_wav
from tests.e2e.speech_service import SpeechService

FOLDER = Path(__file__).parents[2] / "docs" / "images"
LARGEST_BYTES = 300_000
WIDE = (1280, 860)
NARROW = (390, 844)
TALL: ViewportSize = {"width": 1280, "height": 1280}


class Shot(NamedTuple):
    """One picture: its name, how the page looks, and what happens before it is taken."""

    name: str
    size: tuple[int, int]
    theme: str
    act: Callable[[Page, SpeechService], Awaitable[None]]


async def _speak(page: Page, _: SpeechService) -> None:
    await page.click("#play")
    await reach(page, "speaking")
    await shown(page, 30)


async def _look_behind(page: Page, service: SpeechService) -> None:
    await page.click("summary")
    await _speak(page, service)
    await page.wait_for_timeout(6_000)
    # Only now: so large a stage costs a browser without a GPU most of its frames.
    await page.set_viewport_size(TALL)
    await page.locator(".readout").scroll_into_view_if_needed()


async def _work(page: Page, _: SpeechService) -> None:
    await page.get_by_text("Background jobs").click()
    await page.get_by_role("button", name="Build this avatar’s frames").click()
    newest = page.locator("#jobs-list li").first
    await expect(newest).to_have_attribute("data-state", "finished", timeout=SLOW_MS)
    await page.set_input_files("#jobs-file", SAMPLE)
    await expect(newest).to_contain_text("of 275", timeout=SLOW_MS)
    await page.locator("#jobs").scroll_into_view_if_needed()


async def _talk(page: Page, service: SpeechService) -> None:
    await choose(page, "conversation")
    await page.click("#play")
    await reach(page, "listening")
    service.send({"type": "input_audio_buffer.speech_started", "item_id": "question", "audio_start_ms": 0})
    question = {"item_id": "question", "transcript": "Hello! Who are you?"}
    service.send({"type": "conversation.item.input_audio_transcription.completed", **question})
    await page.wait_for_timeout(500)
    service.say(10, "I am Ada. I say what I am told, and you may interrupt me whenever you like.")
    await reach(page, "speaking")
    await shown(page, 20)


async def _rest(page: Page, _: SpeechService) -> None:
    await page.wait_for_timeout(1_000)


SHOTS = (
    Shot("console", WIDE, "dark", _speak),
    Shot("console-light", WIDE, "light", _speak),
    Shot("console-behind", WIDE, "light", _look_behind),
    Shot("console-jobs", (1280, 1000), "dark", _work),
    Shot("console-conversation", (1280, 1080), "dark", _talk),
    Shot("console-phone", NARROW, "dark", _speak),
    Shot("console-phone-light", NARROW, "light", _rest),
)


def main(folder: Path) -> None:
    """Start everything, take every picture."""
    with tempfile.TemporaryDirectory() as temporary, redis_server() as redis, SpeechService().running() as service:
        place = Path(temporary)
        settings = {
            "avatars": "demo",
            "avatars_dir": two_avatars(place / "avatars"),
            "openai_api_key": "sk-of-these-pictures",
            "openai_base_url": service.url,
        }
        with lipstream("up", redis, place / "log", **settings) as url:
            asyncio.run(_take_all(url, service, folder, write_wav(place / "silence.wav", 1)))


async def _take_all(url: str, service: SpeechService, folder: Path, microphone: Path) -> None:
    async with chromium(microphone) as browser:
        for shot in SHOTS:
            await _take(browser, url, service, shot, folder / f"{shot.name}.png")


async def _take(browser: Browser, url: str, service: SpeechService, shot: Shot, path: Path) -> None:
    width, height = shot.size
    page = await browser.new_page(
        viewport={"width": width, "height": height},
        color_scheme=shot.theme,  # type: ignore[arg-type]
    )
    await open_console(page, url)
    await shot.act(page, service)
    write_small(await page.screenshot(), path)
    await page.close()


def write_small(png: bytes, path: Path) -> None:
    """Write the picture with as many colours as fit into `LARGEST_BYTES`; a face needs few of them."""
    picture = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)
    for step in (1, 2, 4, 6, 8, 12):
        coarse = (picture.astype(np.uint16) + step // 2) // step * step
        ok, small = cv2.imencode(".png", coarse.clip(0, 255).astype(np.uint8), [cv2.IMWRITE_PNG_COMPRESSION, 9])
        if ok and len(small) <= LARGEST_BYTES:
            path.write_bytes(small.tobytes())
            print(f"{path}: {len(small) // 1000} kB")
            return
    raise RuntimeError(f"{path.name} does not fit into {LARGEST_BYTES} bytes")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
