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


async def test_the_part_of_the_latency_that_no_stage_had_is_the_gateways_and_the_rest_the_browsers(blank: Page) -> None:
    script = """
      const { partsOf } = await import("/page/chart.js");
      return [partsOf(given, 100), partsOf(given, 50), partsOf({ latency_ms: { p50: null } }, 100)];
    """
    stage = {"wait_ms": 2, "work_ms": 8}
    server = {"stages": {"audio": stage, "inference": stage}, "latency_ms": {"p50": 60}}
    parts = {"audio": 10, "inference": 10, "compositor": 0, "gateway": 40, "browser": 40}
    found = await blank.evaluate(f"async (given) => {{ {script} }}", server)
    assert found == [parts, parts | {"browser": 0}, None]


async def test_a_quantile_is_one_of_the_values(blank: Page) -> None:
    script = """
      const { quantile } = await import("/page/meter.js");
      return [quantile([], 0.5), ...[0, 0.5, 0.95, 1].map((share) => quantile([30, 9, 200, 1], share))];
    """
    assert await blank.evaluate(f"async () => {{ {script} }}") == [None, 1, 30, 200, 200]


async def test_a_mouth_is_laid_over_its_template_frame_within_its_bounds_and_nowhere_else(blank: Page) -> None:
    script = """
      const [{ mouthDecoder, decodeWhole }, { createScreen }] = await Promise.all(
        ["decode", "screen"].map((name) => import(`/picture/${name}.js`)));
      const jpeg = async (colour, width, height) => {
        const canvas = new OffscreenCanvas(width, height), context = canvas.getContext("2d");
        context.fillStyle = colour, context.fillRect(0, 0, width, height);
        return canvas.convertToBlob({ type: "image/jpeg", quality: 1 });
      };
      const bytesOf = async (blob) => new Uint8Array(await blob.arrayBuffer());
      const templates = [await jpeg("black", 64, 48), await jpeg("blue", 64, 48)];
      const mouth = { template: 1, bounds: [16, 8, 48, 40], bytes: await bytesOf(await jpeg("red", 32, 32)) };
      const whole = { template: 0, bounds: [0, 0, 64, 48], bytes: await bytesOf(await jpeg("lime", 64, 48)) };

      const canvas = document.createElement("canvas"), screen = createScreen(canvas);
      screen.fit({ width: 64, height: 48 });
      const before = canvas.width;
      const colours = async (picture) => {
        picture.draw(screen), picture.close();
        const { data } = canvas.getContext("2d").getImageData(0, 0, 64, 48);
        const at = ([x, y]) => [0, 1, 2].map((k) => Math.round(data[4 * (64 * y + x) + k] / 255)).join("");
        return [[16, 8], [47, 39], [15, 20], [48, 20], [30, 7], [30, 40]].map(at).join(" ");
      };
      const laid = await colours(await mouthDecoder((index) => templates[index])(mouth));
      return [before, canvas.width, canvas.height, laid, await colours(await decodeWhole(whole))];
    """
    before, *size, laid, whole = await blank.evaluate(f"async () => {{ {script} }}")
    assert before == 300, "the canvas is never empty: it changes with the first picture"
    assert size == [64, 48]
    assert laid == "100 100 001 001 001 001"
    assert whole == " ".join(["010"] * 6)


BUFFER = """
  const { createFrameBuffer } = await import("/picture/frames.js");
  const closed = [], errors = [];
  const decode = async ({ frame, isBroken }) => {
    if (isBroken) throw new Error(`broken ${frame}`);
    return { frame, close: () => closed.push(frame) };
  };
  const buffer = createFrameBuffer({ decode, fps: 25, limit: 6, onError: ({ message }) => errors.push(message) });
  const put = (first, end) => Array.from({ length: end - first }, (_, k) => buffer.put({ frame: first + k }));
  const settled = () => new Promise((resolve) => setTimeout(resolve, 20));
  const take = (number, late) => {
    const { frame, picture, dropped } = buffer.take(number, late);
    return [frame?.frame ?? null, picture?.frame ?? null, dropped];
  };
"""


async def test_the_frame_that_is_due_is_taken_and_those_whose_time_has_passed_go(blank: Page) -> None:
    script = """
      put(0, 5), await settled();
      const found = [take(0), take(3), take(3), take(1)];
      return [found, closed, buffer.highest];
    """
    found, closed, highest = await blank.evaluate(f"async () => {{ {BUFFER} {script} }}")
    assert found == [[0, 0, 0], [3, 3, 2], [None, None, 0], [None, None, 0]]
    assert closed == [1, 2]
    assert highest == 4


async def test_a_picture_that_is_late_is_taken_only_where_that_is_allowed(blank: Page) -> None:
    script = """
      put(0, 2), buffer.put({ frame: 2, isBroken: true }), await settled();
      const found = [take(2, 1), take(3, 1)];
      put(4, 5), await settled();
      return [[...found, take(5)], errors, closed];
    """
    found, errors, closed = await blank.evaluate(f"async () => {{ {BUFFER} {script} }}")
    assert found == [[1, 1, 1], [None, None, 0], [None, None, 1]]
    assert errors == ["broken 2"]
    assert closed == [0, 4]


async def test_a_full_buffer_gives_up_its_oldest_frame_for_each_that_comes(blank: Page) -> None:
    script = (
        "const gone = put(0, 8); await settled(); return [gone, take(0), take(2), (buffer.clear(), buffer.highest)];"
    )
    found = await blank.evaluate(f"async () => {{ {BUFFER} {script} }}")
    assert found == [[0, 0, 0, 0, 0, 0, 1, 1], [None, None, 0], [2, 2, 0], -1]


async def test_each_segment_has_the_voice_that_was_announced_for_it_and_a_cut_one_shares_it(blank: Page) -> None:
    script = """
      const queue = (await import("/picture/queue.js")).createQueue();
      const busy = [queue.isBusy];
      queue.expect("one"), queue.expect("two"), busy.push(queue.isBusy);
      queue.segment({ first_frame: 0, template: 7 }), queue.segment({ first_frame: 30, template: 37 });
      queue.split(), queue.segment({ first_frame: 50, template: 57 });
      queue.segmentEnd({ first_frame: 30, frames: 20 }), queue.segmentEnd({ first_frame: 99, frames: 1 });
      queue.split(), queue.expect("three"), queue.segment({ first_frame: 70, template: 77 });
      const turns = [];
      while (queue.head) turns.push({ isCut: queue.isCut, ...queue.shift() });
      busy.push(queue.isBusy);
      return [busy, ...turns.map(({ first, count, voice, goesOn, isCut }) => [first, count, voice, goesOn, isCut])];
    """
    busy, *turns = await blank.evaluate(f"async () => {{ {script} }}")
    assert busy == [False, True, False]
    assert turns == [
        [0, None, "one", False, False],
        [30, 20, "two", False, True],
        [50, None, "two", True, False],
        [70, None, "three", False, False],
    ]


async def test_a_reserve_that_was_not_needed_for_a_second_is_spent_but_for_a_few_frames(blank: Page) -> None:
    script = """
      const spare = (await import("/picture/reserve.js")).createReserve({ most: 6, keep: 4 });
      return given.map(([inHand, nowS]) => spare(inHand, nowS));
    """
    watched = [(9, 0.2), (11, 0.9), (10, 1.1), (20, 1.5), (5, 1.8), (20, 2.2), (7, 2.9), (8, 3.3)]
    assert await blank.evaluate(f"async (given) => {{ {script} }}", watched) == [0, 0, 5, 0, 0, 0, 0, 3]


async def test_the_loop_counts_the_time_until_speech_takes_over_in_template_frames(blank: Page) -> None:
    script = """
      const { createIdle } = await import("/picture/idle.js");
      const idle = createIdle(document.createElement("video"), () => {}, () => {});
      idle.load({ name: "none", fps: 25, template_frames: 100 });
      return [idle.phase(), idle.promise(120), ...[10, 49, 50, 90].map(idle.secondsUntil)];
    """
    phase, promised, *waits_s = await blank.evaluate(f"async () => {{ {script} }}")
    assert [phase, promised] == [0, 20]
    assert waits_s == pytest.approx([0.4, 1.96, 0, 0]), "what is more than half a loop ahead has been passed"
