"""Parts of the page on their own: what they measure, draw, announce and remember."""

import pytest
from playwright.async_api import Page

pytestmark = pytest.mark.asyncio(loop_scope="module")

LATENCY = """
  const { createLatency } = await import("/page/latency.js");
  const clock = performance.now;
  let nowMs = 0;
  performance.now = () => nowMs;
  const latency = createLatency(0.04);
  latency.rate(25);
  const send = (chunks) => { for (let n = 0; n < chunks; n++) latency.sent(nowMs += 40); };
  const at = (ms, frame) => { nowMs = ms; return latency.of(frame); };
  const done = (found) => { performance.now = clock; return found; };
"""
"""Chunk n of what is sent leaves at (n + 1) * 40 ms."""


async def test_latency_counts_from_the_last_sound_that_a_frame_needs(blank: Page) -> None:
    script = """
      latency.opened(0.08), send(10);
      const unknown = latency.of(100);
      latency.began(100);
      const found = [unknown, at(500, 100), at(500, 104), at(500, 110)];
      nowMs = 600, latency.ended();
      return done([...found, at(650, 110)]);
    """
    assert await blank.evaluate(f"async () => {{ {LATENCY} {script} }}") == [None, 420, 260, None, 50]


async def test_latency_is_right_behind_a_change_of_face(blank: Page) -> None:
    script = """
      latency.opened(0.08), send(10);
      latency.began(0);
      latency.opened(0.2), send(10);
      const early = latency.of(10);
      latency.began(10);
      return done([early, at(1000, 9), at(1000, 10), at(1000, 12)]);
    """
    assert await blank.evaluate(f"async () => {{ {LATENCY} {script} }}") == [400, 600, 400, 320]


async def test_the_transcript_announces_each_word_once(blank: Page) -> None:
    script = """
      const { createTranscriptView } = await import("/page/transcript.js");
      const list = document.createElement("ol");
      document.body.append(list);
      const show = createTranscriptView(list);
      const heard = [];
      const observer = new MutationObserver((changes) => {
        for (const { addedNodes } of changes) addedNodes.forEach((node) => heard.push(node.textContent));
      });
      observer.observe(list, { childList: true, subtree: true, characterData: true });
      const say = async (...lines) => (show(lines), await null);
      const question = { id: "q", who: "you", text: "", isCut: false };
      const answer = { id: "a", who: "avatar", text: "I", isCut: false };
      await say(question);
      await say(question, answer);
      await say({ ...question, text: "Who are you?" }, answer);
      await say({ ...question, text: "Who are you?" }, { ...answer, text: "I am" });
      await say({ ...question, text: "Who are you?" }, { ...answer, text: "I am Ada.", isCut: true });
      await say({ ...question, text: "Who are you?" }, { ...answer, text: "I am Ada.", isCut: true });
      const said = [...heard];
      await say();
      return [said, list.children.length];
    """
    announced = ["You", "AvatarI", "Who are you?", " am", " Ada.", "interrupted"]
    assert await blank.evaluate(f"async () => {{ {script} }}") == [announced, 0]


async def test_a_sparkline_has_a_bar_a_second_and_a_name_that_says_what_it_shows(blank: Page) -> None:
    script = """
      const { createSparkline } = await import("/page/chart.js");
      const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
      const scale = document.createElement("span");
      const push = createSparkline(svg, scale, { name: "Frame rate", tops: [10, 30, 60], unit: "fps" });
      push(null);
      const before = svg.getAttribute("aria-label");
      for (let n = 0; n < 70; n++) push(n < 60 ? 25 : 24);
      const heights = [...svg.querySelectorAll("rect")].map((bar) => Number(bar.getAttribute("height")));
      return [before, svg.getAttribute("aria-label"), scale.textContent, heights.length, heights[0], heights.at(-1)];
    """
    before, name, scale, bars, first, last = await blank.evaluate(f"async () => {{ {script} }}")
    assert before == "Frame rate in the last minute: nothing yet"
    assert name == "Frame rate in the last minute: 24 to 25 fps"
    assert scale == "30 fps"
    assert bars == 60
    assert [first, last] == pytest.approx([80 * 25 / 30, 80 * 24 / 30])


async def test_the_question_why_no_frames_come_belongs_to_its_turn(blank: Page) -> None:
    script = """
      const index = new DOMParser().parseFromString(await (await fetch("/index.html")).text(), "text/html");
      document.body.innerHTML = index.body.innerHTML;
      const { createStatus } = await import("/page/status.js");
      const turns = { phase: "over" };
      const status = createStatus({ meter: { error() {} }, turns, wish: () => ({ source: "sample" }) });
      const [set, clear, timers] = [window.setTimeout, window.clearTimeout, new Set()];
      window.setTimeout = (work) => (timers.add(work), work);
      window.clearTimeout = (work) => timers.delete(work);
      const enter = (phase) => {
        turns.phase = phase;
        status.phase(phase);
        return [timers.size, document.getElementById("interrupt").disabled];
      };
      const found = ["waiting", "over", "waiting", "heard", "open"].map(enter);
      Object.assign(window, { setTimeout: set, clearTimeout: clear });
      return found;
    """
    found = await blank.evaluate(f"async () => {{ {script} }}")
    assert found == [[1, False], [0, True], [1, False], [0, False], [0, True]]
