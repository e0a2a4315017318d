"""What the console's modules of wire, sound and conversation compute, each on its own."""

from typing import Any

import numpy as np
import pytest
from playwright.async_api import Page

from common.frames import Flag, FrameHeader

pytestmark = pytest.mark.asyncio(loop_scope="module")

HEADER = FrameHeader(epoch=1, frame=2, pts_us=6 * 3600 * 1_000_000, template=3, bounds=(4, 5, 6, 7), flags=Flag.LAST)
FRAME = HEADER.pack(b"abc")


async def outcome(page: Page, module: str, script: str, given: Any = None) -> Any:
    """What a script returns to which a module's exports are `its`, and what it is `given` too."""
    return await page.evaluate(f"async (given) => {{ const its = await import('/{module}.js'); {script} }}", given)


# lipstream/


async def test_a_frame_is_read_as_the_server_writes_it(blank: Page) -> None:
    script = """
      const { bytes, ...fields } = its.parseFrame(Uint8Array.from(given).buffer);
      return { ...fields, picture: String.fromCharCode(...bytes), copied: bytes.buffer.byteLength === bytes.length };
    """
    expected = {
        "flags": 4, "epoch": 1, "frame": 2, "ptsUs": HEADER.pts_us, "template": 3, "bounds": [4, 5, 6, 7],
        "picture": "abc", "copied": False,
    }  # fmt: skip
    longer = FRAME[:6] + (44).to_bytes(2, "little") + FRAME[8:40] + b"more" + b"abc"
    for message in (FRAME, longer):
        assert await outcome(blank, "lipstream/wire", script, list(message)) == expected


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (b"", "not a lipstream.v1 frame"),
        (FRAME[:39], "not a lipstream.v1 frame"),
        (b"XX" + FRAME[2:], "not a lipstream.v1 frame"),
        (FRAME[:2] + b"\2" + FRAME[3:], "not a lipstream.v1 frame"),
        (FRAME[:3] + b"\2" + FRAME[4:], "unknown picture codec 2"),
        (FRAME[:-1], "announced 43 bytes, got 42"),
        (FRAME + b"x", "announced 43 bytes, got 44"),
    ],
)
async def test_bytes_that_are_no_frame_are_refused(blank: Page, message: bytes, words: str) -> None:
    script = """
      try { return its.parseFrame(Uint8Array.from(given).buffer); }
      catch ({ name, code, message, retryable }) { return [name, code, message, retryable]; }
    """
    refusal = ["LipstreamError", "bad_frame", words, False]
    assert await outcome(blank, "lipstream/wire", script, list(message)) == refusal


async def test_a_lost_connection_is_tried_often_at_first_then_less_and_a_full_server_is_left_alone(blank: Page) -> None:
    script = """
      const { random } = Math;
      const waits = (chance) => {
        Math.random = () => chance;
        return given.map((outage) => Math.round(its.waitMs(...outage)));
      };
      const found = [0.5, 0, 1].map(waits);
      Math.random = random;
      return found;
    """
    outages = [(0, 0, ""), (1, 100, ""), (2, 300, ""), (90, 59_999, ""), (240, 60_000, ""), (0, 0, "at_capacity")]
    middle = [100, 200, 250, 250, 5000, 2000]
    found = await outcome(blank, "lipstream/backoff", script, outages)
    assert found == [[wait * share for wait in middle] for share in (1, 0.8, 1.2)]


# sound/


async def test_samples_are_rounded_and_clipped_to_pcm16_and_their_loudness_is_of_one_at_most(blank: Page) -> None:
    script = "return [[...its.toPcm16([0, 1, -1, 2, -2, 0.5])], its.loudness(Int16Array.of(16384, -16384, 0, 0))]"
    pcm, loudness = await outcome(blank, "sound/pcm", script)
    assert pcm == [0, 32767, -32767, 32767, -32767, 16384]
    assert loudness == pytest.approx(0.5 / 2**0.5)


async def test_a_resampled_tone_is_the_same_tone_and_what_the_new_rate_cannot_carry_is_gone(blank: Page) -> None:
    script = """
      const [fromHz, toneHz] = given;
      const resample = its.createResampler(fromHz, 24000);
      const tone = Float32Array.from({ length: fromHz / 20 }, (_, n) => Math.sin((2 * Math.PI * toneHz * n) / fromHz));
      const blocks = [];
      for (let at = 0, size = 1; at < tone.length; at += size, size = (size * 7 + 13) % 400) {
        blocks.push(tone.subarray(at, at + size));
      }
      return blocks.flatMap((block) => resample(block));
    """
    for rate_hz in (44_100, 48_000):
        kept = np.array(await outcome(blank, "sound/resampler", script, [rate_hz, 1000]))
        assert len(kept) == pytest.approx(24_000 / 20, abs=20)
        assert kept[100:] == pytest.approx(np.sin(2 * np.pi * 1000 * np.arange(len(kept)) / 24_000)[100:], abs=0.01)
        gone = np.array(await outcome(blank, "sound/resampler", script, [rate_hz, 16_000]))
        assert np.abs(gone[100:]).max() < 0.01


async def test_the_clock_is_behind_the_sound_device_by_its_delay(blank: Page) -> None:
    script = """
      const { AudioContext } = window;
      const asked = [];
      const [suspend, resume] = ["pause", "go"].map((word) => async () => asked.push(word));
      const device = { currentTime: 10, outputLatency: 0.1, suspend, resume };
      window.AudioContext = function () { return device; };
      const clock = its.createClock();
      window.AudioContext = AudioContext;
      const startsS = [0.5, 0].map(clock.startS);
      clock.resume(), clock.pause(), await clock.resume();
      return [clock.heardS(), ...startsS, asked.at(-1)];
    """
    heard_s, start_s, at_once_s, last = await outcome(blank, "sound/clock", script)
    assert heard_s == pytest.approx(9.9)
    assert start_s == pytest.approx(10.4), "it leaves early by as much as it is heard late"
    assert at_once_s == pytest.approx(10.02), "nothing can be started in the past"
    assert last == "go"


async def test_the_pieces_of_a_voice_are_heard_without_a_seam(blank: Page) -> None:
    script = """
      const context = new OfflineAudioContext(1, 600, 48000);
      const voice = its.streamedVoice({ context, startS: () => 100 / 48000 }, 48000);
      const ramp = Float32Array.from({ length: 400 }, (_, n) => (n + 1) / 1000);
      const piece = (first, end) => voice.push(ramp.subarray(first, end));
      piece(0, 128), piece(128, 250);
      const { originS } = voice.play(0);
      piece(250, 400);
      const heard = (await context.startRendering()).getChannelData(0);
      return [originS * 48000, [...heard].map((sample) => Math.round(sample * 1000))];
    """
    origin, heard = await outcome(blank, "sound/voices", script)
    assert origin == pytest.approx(100)
    assert heard == [0] * 100 + list(range(1, 401)) + [0] * 100


# conversation/

GATE = """
  const told = [];
  const [open, close] = ["open", "close"].map((word) => () => told.push(word));
  const gate = its.createGate({ open, chunk: (n) => told.push(n), close });
  const push = (levels) => levels.forEach((level, n) => gate.push(n, level));
  const quiet = (count) => Array(count).fill(0);
"""


async def test_an_utterance_begins_a_little_before_it_is_loud_and_ends_with_a_pause(blank: Page) -> None:
    script = "push([...quiet(5), 0.1, ...quiet(13), 0.1, ...quiet(20)]); return [told, gate.isOpen];"
    told, is_open = await outcome(blank, "conversation/gate", GATE + script)
    assert told == ["open", *range(2, 34), "close"]
    assert not is_open


async def test_an_utterance_that_is_void_has_no_end_and_the_next_one_none_of_its_sound(blank: Page) -> None:
    script = "push([0, 0.1, 0.1]), gate.reset(), push([0.1]); return told;"
    assert await outcome(blank, "conversation/gate", GATE + script) == ["open", 0, 1, 2, "open", 0]


SPOKEN = """
  const spoken = its.createSpoken(40);
  const chunks = (count) => { for (let n = 0; n < count; n++) spoken.tick(); };
"""


async def test_where_an_answer_was_cut_counts_its_utterances_and_the_pauses_between_them(blank: Page) -> None:
    script = """
      chunks(7), spoken.item("a"), chunks(3), spoken.open(), spoken.segment(4);
      chunks(50), spoken.item("a"), spoken.open(), spoken.segment(5);
      return [spoken.heard(5, 480.4), spoken.heard(5, 480.4)];
    """
    cut = {"item_id": "a", "audio_end_ms": 50 * 40 + 480}
    assert await outcome(blank, "conversation/spoken", SPOKEN + script) == [cut, None]


async def test_each_utterance_belongs_to_the_answer_that_was_under_way_when_it_began(blank: Page) -> None:
    script = """
      spoken.item("a"), spoken.open(), chunks(20), spoken.item("b"), chunks(5), spoken.open();
      spoken.segment(0), spoken.segment(1);
      return spoken.heard(1, 80);
    """
    assert await outcome(blank, "conversation/spoken", SPOKEN + script) == {"item_id": "b", "audio_end_ms": 80}


async def test_words_join_the_line_of_their_item_however_they_come(blank: Page) -> None:
    script = """
      let lines = [], changes = 0;
      const transcript = its.createTranscript((now) => [lines, changes] = [now, changes + 1]);
      const mine = "conversation.item.input_audio_transcription.", its_own = "response.output_audio_transcript.";
      transcript.read({ type: "input_audio_buffer.speech_started", item_id: "q" });
      transcript.read({ type: its_own + "delta", item_id: "a", delta: "I am" });
      transcript.read({ type: mine + "delta", item_id: "q", delta: "Who are" });
      transcript.read({ type: its_own + "delta", item_id: "a", delta: " Ada" });
      transcript.read({ type: its_own + "delta", item_id: "b", delta: "And" });
      transcript.read({ type: mine + "completed", item_id: "q", transcript: " Who are you? " });
      transcript.read({ type: "response.created" });
      transcript.cut("a"), transcript.cut("nobody's");
      transcript.read({ type: its_own + "done", item_id: "a", transcript: "I am Ada, and more" });
      transcript.read({ type: its_own + "done", item_id: "b", transcript: "And you?" });
      return [changes, lines.map(({ who, text, isCut }) => [who, text, isCut])];
    """
    changes, lines = await outcome(blank, "conversation/transcript", script)
    assert lines == [["you", "Who are you?", False], ["avatar", "I am Ada", True], ["avatar", "And you?", False]]
    assert changes == 9
