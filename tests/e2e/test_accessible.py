"""Who cannot see, or cannot use a mouse, or has a small screen, uses the console too."""

from typing import Any

import pytest
from playwright.async_api import Page, expect

from tests.e2e.accessible import PHONE, violations
from tests.e2e.browser import choose, open_console, reach


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_axe_finds_nothing_serious(page: Page, url: str, theme: Any) -> None:
    await page.emulate_media(color_scheme=theme, reduced_motion="reduce")
    await open_console(page, url)
    await page.click("summary")
    await choose(page, "conversation")
    assert await violations(page) == []
    await page.keyboard.press("?")
    await expect(page.locator("#help")).to_be_visible()
    assert await violations(page) == []


async def test_a_chosen_theme_wins_over_the_system_and_stays(page: Page, url: str) -> None:
    ground = "() => getComputedStyle(document.body).backgroundColor"
    await page.emulate_media(color_scheme="dark")
    await open_console(page, url)
    dark = await page.evaluate(ground)
    await page.get_by_role("button", name="Theme").click()
    assert await page.evaluate(ground) != dark
    await open_console(page, url)
    assert await page.evaluate(ground) != dark


async def test_the_page_fits_a_phone_and_every_control_has_a_name(page: Page, url: str) -> None:
    await page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    await open_console(page, url)
    await page.click("summary")
    for source in ("microphone", "conversation", "sample"):
        await choose(page, source)
        assert await page.evaluate("() => document.documentElement.scrollWidth") <= PHONE["width"]
    for name in ("Sample", "File", "Microphone", "Conversation", "Full picture", "Mouth only", "Waves"):
        await expect(page.get_by_role("radio", name=name)).to_have_count(1)
    for name in ("Play", "Interrupt", "Theme", "Help"):
        await expect(page.get_by_role("button", name=name)).to_have_count(1)


async def test_the_keys_do_all_of_it(page: Page, url: str) -> None:
    await open_console(page, url)
    await page.keyboard.press("Tab")
    focused = "() => getComputedStyle(document.activeElement).outlineStyle"
    assert await page.evaluate(focused) == "solid"
    await page.keyboard.press("?")
    await expect(page.get_by_role("dialog")).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("dialog")).not_to_be_visible()
    await page.locator("[value=sample]").focus()
    await page.keyboard.press("Space")
    await reach(page, "speaking")
    await page.keyboard.press("Space")
    await reach(page, "idle")
