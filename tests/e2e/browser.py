"""A Chromium with a false microphone, and what every test does with the console."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Page, async_playwright

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
SLOW_MS = 120_000


@asynccontextmanager
async def chromium(microphone: Path | None = None) -> AsyncIterator[Browser]:
    """The browser; `microphone` is a WAV that it hears, over and over."""
    if CHROMIUM is None:
        if os.environ.get("CI"):
            pytest.fail("no Chromium: install the package `chromium`")
        pytest.skip("no Chromium on this machine")
    heard = (f"--use-file-for-fake-audio-capture={microphone}",) if microphone else ()
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=[*ARGUMENTS, *heard])
        yield browser
        await browser.close()


def record_faults(page: Page, urls: tuple[str, ...]) -> list[str]:
    """What a sound page has none of: errors, warnings, requests to anybody else."""
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda line: faults.append(line.text) if line.type in ("error", "warning") else None)
    page.on("request", lambda request: faults.append(request.url) if not request.url.startswith(urls) else None)
    return faults


async def reach(page: Page, state: str) -> None:
    await page.wait_for_selector(f'html[data-state="{state}"]', state="attached", timeout=SLOW_MS)


async def open_console(page: Page, url: str) -> None:
    await page.goto(url)
    await reach(page, "idle")
    await page.wait_for_selector("#stage[data-ready]", timeout=SLOW_MS)


async def choose(page: Page, source: str) -> None:
    await page.check(f"[name=source][value={source}]", force=True)
    await page.wait_for_selector("#play:enabled", timeout=SLOW_MS)


async def stats(page: Page) -> dict[str, Any]:
    found: dict[str, Any] = await page.evaluate("() => window.lipstream.stats")
    return found


async def interrupt(page: Page) -> int:
    """Press Escape; how many frames had been on the screen at that moment.

    The page itself counts: until the press is answered here a busy machine may have shown more.
    """
    note = "() => (window.shownThen = window.lipstream.stats.framesShown)"
    await page.evaluate(f"() => addEventListener('keydown', {note}, {{ capture: true, once: true }})")
    await page.keyboard.press("Escape")
    shown_then: int = await page.evaluate("() => window.shownThen")
    return shown_then


async def shown(page: Page, frames: int) -> None:
    """Return when so many frames have been on the screen."""
    for _ in range(SLOW_MS // 50):
        if (await stats(page))["framesShown"] >= frames:
            return
        await asyncio.sleep(0.05)
    raise TimeoutError(f"fewer than {frames} frames")


async def until_past(page: Page, frames: int) -> None:
    """The time of so many frames has passed, be they shown or, on a slow machine, dropped."""
    enough = "(frames) => window.lipstream.stats.framesShown + window.lipstream.stats.framesDropped >= frames"
    await page.wait_for_function(enough, arg=frames, timeout=SLOW_MS)


async def events(page: Page) -> str:
    """The event log, newest first."""
    return await page.locator("#log").text_content() or ""
