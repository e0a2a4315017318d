"""What may stand between a page and its first picture: a key, a broken video, an absent server, a locked store."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from playwright.async_api import Page, Route, expect

from tests.e2e.browser import SLOW_MS, chromium, open_console, reach, record_faults, stats
from tests.e2e.processes import lipstream
from tests.e2e.recordings import write_wav

KEY = "app-secret-app-secret"
LOCKED_STORES = """
for (const name of ["localStorage", "sessionStorage", "indexedDB"]) {
  Object.defineProperty(window, name, { get() { throw new DOMException("blocked", "SecurityError"); } });
}
"""
"""As browsers do it whose user lets pages store nothing."""


class Visit(NamedTuple):
    """An empty page, and what it has complained of but refused requests, which the browser itself notes."""

    page: Page
    faults: list[str]

    def sound(self) -> bool:
        return not [fault for fault in self.faults if "Failed to load resource" not in fault]


@pytest.fixture(scope="module")
def locked_url(
    lipstream_server: str, redis_url: str, avatars_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """A gateway that wants a key."""
    log = tmp_path_factory.mktemp("locked") / "log"
    settings: dict[str, Any] = {"avatars": "demo,other", "avatars_dir": avatars_dir, "api_keys": f"app:{KEY}"}
    with lipstream("gateway", redis_url, log, **settings) as url:
        yield url


@pytest.fixture
async def visit(url: str, locked_url: str) -> AsyncIterator[Visit]:
    async with chromium() as browser:
        page = await browser.new_page(viewport={"width": 640, "height": 760})
        one = Visit(page, record_faults(page, (url, locked_url, "blob:", "data:")))
        yield one
    assert one.sound(), one.faults


async def test_behind_keys_the_face_is_shown_and_speaks_and_the_address_keeps_no_key(
    visit: Visit, locked_url: str, tmp_path: Path
) -> None:
    page = visit.page
    await open_console(page, f"{locked_url}/#token={KEY}")
    assert page.url.rstrip("/#") == locked_url
    loaded = "() => [...document.querySelectorAll('#avatars img')].every((one) => one.complete && one.naturalWidth > 0)"
    await expect(page.locator("#avatars img")).to_have_count(2)
    await page.wait_for_function(loaded, timeout=SLOW_MS)
    await page.reload()
    await reach(page, "idle")
    await page.wait_for_selector("#stage[data-ready]", timeout=SLOW_MS)
    await page.set_input_files("#file", write_wav(tmp_path / "short.wav", 2))
    await reach(page, "speaking")
    await reach(page, "idle")
    assert (await stats(page))["segments"] == 1
    assert visit.faults == []


async def test_a_page_without_the_key_says_how_to_show_one_and_takes_it(visit: Visit, locked_url: str) -> None:
    page = visit.page
    await page.goto(locked_url)
    await reach(page, "error")
    await expect(page.locator("#hint")).to_contain_text("Add #token= and your key to the address")
    await page.goto(f"{locked_url}/?token={KEY[::-1]}")
    await reach(page, "error")
    assert page.url.rstrip("/#") == locked_url
    await page.evaluate(f"() => (location.hash = 'token={KEY}')")
    await page.wait_for_selector("#stage[data-ready]", timeout=SLOW_MS)
    assert page.url.rstrip("/#") == locked_url


async def test_a_face_without_its_video_says_so_and_speaks(visit: Visit, url: str, tmp_path: Path) -> None:
    page = visit.page
    await page.route("**/template.mp4", lambda route: route.fulfill(status=404))
    await page.goto(url)
    await reach(page, "idle")
    await expect(page.locator("#stage-text")).to_contain_text("video cannot be played")
    await expect(page.locator("#log")).to_contain_text("video cannot be played")
    await page.set_input_files("#file", write_wav(tmp_path / "short.wav", 2))
    await reach(page, "speaking")
    await page.wait_for_selector("#stage[data-ready]", timeout=SLOW_MS)


async def test_a_page_that_comes_before_the_server_waits_for_it(visit: Visit, url: str) -> None:
    asked: list[Route] = []

    async def refuse_twice(route: Route) -> None:
        asked.append(route)
        await (route.abort("connectionrefused") if len(asked) < 3 else route.continue_())

    await visit.page.route("**/api/avatars", refuse_twice)
    await open_console(visit.page, url)
    assert len(asked) == 3
    await expect(visit.page.locator("#link")).to_have_text("Connected")
    assert "Connecting again, attempt 2" in (await visit.page.locator("#log").text_content() or "")


async def test_a_page_that_may_store_nothing_works(visit: Visit, url: str) -> None:
    page = visit.page
    await page.add_init_script(LOCKED_STORES)
    await open_console(page, url)
    await page.get_by_role("button", name="Theme").click()
    assert await page.get_attribute("html", "data-theme") == "light"
    kept = "async () => (await (await import('/picture/store.js')).openStore()).read('demo', 'x', 1)"
    assert await page.evaluate(kept) == []
    assert visit.faults == []
