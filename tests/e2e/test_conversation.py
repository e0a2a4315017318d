"""A conversation with a peer that plays the speech service's part."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.async_api import Page, expect

from tests.e2e.browser import SLOW_MS, choose, chromium, open_console, reach, record_faults, stats
from tests.e2e.lipsync import Wire, lateness_ms
from tests.e2e.processes import lipstream
from tests.e2e.speech_service import SECRET, SpeechService
from tests.e2e.watching import AT_REST, HEAR, Mouth, watch

FRAME_MS = 40


@pytest.fixture(scope="module")
def service() -> Iterator[SpeechService]:
    """The peer."""
    with SpeechService().running() as one:
        yield one


@pytest.fixture(scope="module")
def talking_url(
    lipstream_server: str, service: SpeechService, redis_url: str, avatars_dir: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[str]:  # fmt: skip
    """A gateway that has a key, and whose speech service is the peer."""
    log = tmp_path_factory.mktemp("talk") / "log"
    settings: dict[str, Any] = {"openai_api_key": "sk-of-this-test", "openai_base_url": service.url}
    with lipstream("gateway", redis_url, log, avatars="demo", avatars_dir=avatars_dir, **settings) as url:
        yield url


@asynccontextmanager
async def in_call(url: str, service: SpeechService, microphone: Path, wire: Wire | None = None) -> AsyncIterator[Page]:
    """A page that is in the call, at rest; a wire between it and its gateway costs a busy machine frames."""
    service.events.clear()
    async with chromium(microphone) as browser:
        page = await browser.new_page(viewport={"width": 640, "height": 900})
        faults = record_faults(page, (url, service.url, "blob:", "data:"))
        if wire is not None:
            page.on("websocket", wire.tap)
        await page.add_init_script(HEAR)
        await open_console(page, url)
        await choose(page, "conversation")
        await page.click("#play")
        await reach(page, "listening")
        yield page
    assert faults == []


@pytest.fixture
async def talk(talking_url: str, service: SpeechService, spoken_wav: Path) -> AsyncIterator[Page]:
    async with in_call(talking_url, service, spoken_wav) as page:
        yield page


async def test_the_face_says_what_the_assistant_says_and_it_is_heard(
    talk: Page, service: SpeechService, mouth: Mouth
) -> None:
    assert service.authorization == f"Bearer {SECRET}"
    service.say(9, "I say what I am told.")
    await reach(talk, "speaking")
    during = await watch(talk, mouth, 6)
    await reach(talk, "listening")
    assert during.opening > 2 * AT_REST
    assert during.loudness.max() > 0.01
    assert (await stats(talk))["errors"] == 0


@pytest.mark.skipif("E2E_MINUTES" not in os.environ, reason="needs an idle machine; set E2E_MINUTES=1")
async def test_the_frame_on_the_canvas_is_that_of_the_sound_that_is_heard(
    talking_url: str, service: SpeechService, spoken_wav: Path, mouth: Mouth
) -> None:
    wire = Wire()
    async with in_call(talking_url, service, spoken_wav, wire) as page:
        service.say(10, "I say what I am told.")
        await reach(page, "speaking")
        late_ms = await lateness_ms(page, wire, mouth, 60)
    assert len(late_ms) >= 5
    assert np.median(np.abs(late_ms)) <= FRAME_MS
    assert np.percentile(np.abs(late_ms), 95) <= 2 * FRAME_MS


async def test_both_sides_words_are_shown(talk: Page, service: SpeechService) -> None:
    service.send({"type": "input_audio_buffer.speech_started", "item_id": "item_of_mine", "audio_start_ms": 0})
    transcript = {"item_id": "item_of_mine", "transcript": "Who are you?"}
    service.send({"type": "conversation.item.input_audio_transcription.completed", **transcript})
    service.say(2, "I am Ada.")
    await expect(talk.locator("#transcript li")).to_have_text(["YouWho are you?", "AvatarI am Ada."])


async def test_an_interruption_cuts_the_answer_where_it_was_shown(
    talk: Page, service: SpeechService, mouth: Mouth
) -> None:
    item = service.say(10, "This is a long answer.")
    await reach(talk, "speaking")
    await asyncio.sleep(2)
    service.send({"type": "input_audio_buffer.speech_started", "item_id": "item_of_mine", "audio_start_ms": 0})
    service.hush()
    await reach(talk, "listening")
    later = await watch(talk, mouth, 1.5)
    assert later.opening < AT_REST
    assert later.loudness.max() == 0

    truncate = await _event(service, "conversation.item.truncate")
    last = (await stats(talk))["shown"][-1][1]
    assert truncate["item_id"] == item
    assert truncate["content_index"] == 0
    assert truncate["audio_end_ms"] == (last + 1) * 40
    assert await _event(service, "output_audio_buffer.clear")
    await expect(talk.locator("#transcript li[data-cut]")).to_contain_text("This is a long answer.")


async def test_after_an_interruption_the_next_answer_is_said(talk: Page, service: SpeechService) -> None:
    service.say(10, "One.")
    await reach(talk, "speaking")
    service.send({"type": "input_audio_buffer.speech_started", "item_id": "item_of_mine", "audio_start_ms": 0})
    service.hush()
    await reach(talk, "listening")
    service.say(10, "Two.")
    epochs: list[int] = []
    # A machine that is busy as the answer begins drops its first frames, however many those are.
    async with asyncio.timeout(SLOW_MS / 1000):
        while 1 not in epochs:
            await asyncio.sleep(0.1)
            epochs = [epoch for epoch, _ in (await stats(talk))["shown"]]
    assert epochs == sorted(epochs)


async def test_a_server_without_a_key_says_so(url: str) -> None:
    async with chromium() as browser:
        page = await browser.new_page()
        faults = record_faults(page, (url, "blob:", "data:"))
        await open_console(page, url)
        await choose(page, "conversation")
        await page.click("#play")
        await reach(page, "error")
        await expect(page.locator("#hint")).to_contain_text("No key for the speech service")
        await expect(page.locator("#play")).to_be_enabled()
    # The browser itself notes that the server said no.
    assert [fault for fault in faults if "503" not in fault] == []


async def _event(service: SpeechService, kind: str) -> dict[str, Any]:
    for _ in range(SLOW_MS // 100):
        found = [event for event in service.events if event["type"] == kind]
        if found:
            return found[0]
        await asyncio.sleep(0.1)
    raise TimeoutError(kind)
