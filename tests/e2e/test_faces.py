"""Which face is shown, and how it comes over the wire."""

import asyncio
from typing import Any

from playwright.async_api import Page, expect

from tests.e2e.browser import SLOW_MS, events, open_console, reach, stats, until_past

BOTH_MODES = """
async () => {
  const { connect } = await import("/lipstream.js");
  const { decodeWhole } = await import("/picture/decode.js");
  const { chooseDecoder } = await import("/picture/templates.js");
  const { createScreen } = await import("/picture/screen.js");
  const [avatar] = await (await fetch("/api/avatars")).json();
  const pcm = Int16Array.from({ length: 24000 }, (_, n) => 9000 * Math.sin(n / 20) * Math.sin(n / 1500));

  async function frames(output) {
    const found = [];
    const { promise, resolve } = Promise.withResolvers();
    const session = connect(`ws://${location.host}/ws`, {
      avatar: avatar.name, output, pace: "lossless",
      onFrame: (frame) => found.push(frame),
      onEvent: ({ type }) => type === "speak_ended" && resolve(),
    });
    await session.started;
    session.begin(100);
    session.sendAudio(pcm);
    session.flush();
    await promise;
    session.close();
    return found;
  }

  async function pixels(decode, frame) {
    const canvas = new OffscreenCanvas(avatar.width, avatar.height);
    const picture = await decode(frame);
    picture.draw(createScreen(canvas));
    picture.close();
    return canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
  }

  const options = { get: fetch, onProgress() {}, signal: new AbortController().signal };
  const mouth = await chooseDecoder({ output: "patch", avatar }, options);
  const [whole, patches] = [await frames("frame"), await frames("patch")];
  const differences = [];
  for (const index of [0, 7, 18]) {
    const [a, b] = [await pixels(decodeWhole, whole[index]), await pixels(mouth, patches[index])];
    let sum = 0;
    let most = 0;
    for (let n = 0; n < a.length; n++) {
      const difference = Math.abs(a[n] - b[n]);
      sum += difference;
      most = Math.max(most, difference);
    }
    differences.push({ mean: sum / a.length, most });
  }
  const bytes = (list) => list.reduce((total, frame) => total + frame.bytes.length, 0);
  return { differences, counts: [whole.length, patches.length], saving: bytes(whole) / bytes(patches) };
}
"""
"""The same speech in both modes, drawn as the page draws it."""


async def test_the_mouth_alone_gives_the_picture_that_the_whole_gives(page: Page, url: str) -> None:
    await open_console(page, url)
    found: dict[str, Any] = await page.evaluate(BOTH_MODES)
    assert found["counts"] == [25, 25]
    assert found["saving"] > 3
    for difference in found["differences"]:
        assert difference["mean"] < 0.5
        assert difference["most"] < 48


async def test_the_console_speaks_with_the_mouth_alone(page: Page, url: str) -> None:
    await open_console(page, url)
    await page.click("summary")
    await page.check("[name=output][value=patch]")
    await expect(page.locator("#log")).to_contain_text("mouth only", timeout=SLOW_MS)
    await page.click("#play")
    await reach(page, "speaking")
    await until_past(page, 50)
    numbers = await stats(page)
    assert numbers["framesShown"] > 0
    assert 0 < numbers["bytesPerS"] < 600_000
    assert numbers["errors"] == 0


async def test_the_template_is_loaded_once(page: Page, url: str) -> None:
    asked: list[str] = []
    await open_console(page, url)
    await page.click("summary")
    await page.check("[name=output][value=patch]")
    await expect(page.locator("#log")).to_contain_text("mouth only", timeout=SLOW_MS)
    await open_console(page, url)
    page.on("request", lambda request: asked.append(request.url))
    await page.click("summary")
    await page.check("[name=output][value=patch]")
    await expect(page.locator("#log")).to_contain_text("mouth only", timeout=SLOW_MS)
    assert not [address for address in asked if "/frames/" in address]


async def test_another_face_is_chosen_at_rest(page: Page, url: str) -> None:
    await open_console(page, url)
    await expect(page.locator("#screen")).to_have_attribute("width", "1280")
    await page.get_by_role("radio", name="Waves").check(force=True)
    await expect(page.locator("#screen")).to_have_attribute("width", "640", timeout=SLOW_MS)
    await page.click("#play")
    await reach(page, "speaking")
    assert (await stats(page))["errors"] == 0


async def test_the_face_changes_in_mid_sentence_and_the_speech_goes_on(page: Page, url: str) -> None:
    await open_console(page, url)
    await page.click("#play")
    await reach(page, "speaking")
    await asyncio.sleep(1.5)
    await page.get_by_role("radio", name="Waves").check(force=True)
    await expect(page.locator("#screen")).to_have_attribute("width", "640", timeout=SLOW_MS)
    assert await page.get_attribute("html", "data-state") == "speaking"
    await reach(page, "idle")
    numbers = await stats(page)
    assert numbers["errors"] == 0
    assert numbers["framesShown"] + numbers["framesDropped"] == 275
    assert "Face: other" in await events(page)
