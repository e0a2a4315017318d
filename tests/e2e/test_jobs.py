"""Background jobs in the console: asked for, watched, saved, canceled."""

from pathlib import Path

import av
import httpx
from playwright.async_api import Page, expect

from tests.e2e.accessible import PHONE, violations
from tests.e2e.browser import SLOW_MS, open_console
from tests.e2e.recordings import write_wav


async def test_a_recording_is_rendered_watched_and_saved(page: Page, url: str, tmp_path: Path) -> None:
    await open_console(page, url)
    await page.get_by_text("Background jobs").click()
    await page.set_input_files("#jobs-file", write_wav(tmp_path / "short.wav", 4))
    newest = page.locator("#jobs-list li").first
    await expect(newest).to_contain_text("Video of demo")
    await expect(newest.get_by_role("progressbar", name="Progress: Video of demo")).to_be_visible()
    await expect(newest).to_have_attribute("data-state", "finished", timeout=SLOW_MS)
    async with page.expect_download() as coming:
        await newest.get_by_role("button", name="Save: Video of demo").click()
    await (await coming.value).save_as(tmp_path / "film.mp4")
    with av.open(str(tmp_path / "film.mp4")) as container:
        assert len([*container.decode(video=0)]) == 100


async def test_a_job_is_canceled_and_a_failed_one_says_why(page: Page, url: str, tmp_path: Path) -> None:
    await open_console(page, url)
    await page.get_by_text("Background jobs").click()
    newest = page.locator("#jobs-list li").first
    await page.set_input_files("#jobs-file", write_wav(tmp_path / "long.wav", 300))
    await newest.get_by_role("button", name="Cancel: Video of demo").click()
    await expect(newest).to_have_attribute("data-state", "canceled", timeout=SLOW_MS)
    broken = tmp_path / "notes.wav"
    broken.write_text("this is no recording")
    await page.set_input_files("#jobs-file", broken)
    await expect(newest).to_contain_text("Failed: cannot read the upload", timeout=SLOW_MS)


async def test_axe_finds_nothing_serious_in_the_panel_and_it_fits_a_phone(page: Page, url: str, tmp_path: Path) -> None:
    await page.emulate_media(reduced_motion="reduce")
    await open_console(page, url)
    await page.get_by_text("Background jobs").click()
    await page.get_by_role("button", name="Build this avatar’s frames").click()
    await page.set_input_files("#jobs-file", write_wav(tmp_path / "long.wav", 300))
    await expect(page.get_by_role("progressbar", name="Progress: Video of demo").first).to_be_visible()
    assert await violations(page) == []
    await page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    assert await page.evaluate("() => document.documentElement.scrollWidth") <= PHONE["width"]
    async with httpx.AsyncClient(base_url=url) as http:
        for job in (await http.get("/api/jobs")).json()["jobs"]:
            await http.delete(f"/api/jobs/{job['id']}")
