import { FLAG } from "./lipstream.js";
import { createFrameBuffer } from "./frames.js";

/** Frames in the buffer before a segment starts, and before it goes on after it ran dry. */
const START_FRAMES = 4;
const REFILL_FRAMES = 8;
/** A live picture that has more than this in reserve for a second is later than it needs to be. */
const RESERVE_FRAMES = 6;
/** No head waits longer than this for its loop to come round; it is only a start delay that was guessed wrong. */
const LONGEST_WAIT_S = 1.5;

/**
 * @typedef {object} Turn a segment on its way to the screen
 * @property {number} first number of its first frame
 * @property {number} template index of its first frame's template
 * @property {number | null} count its frames; null while it goes on
 * @property {AudioBuffer | null} recording what is heard with it; null when the speaker is the microphone
 * @property {number | null} originS clock time at which its first frame is due; null before it starts
 */

/**
 * Shows the frames of a session on the media clock: frame `f` of a segment while the sound at `(f - first) / fps` is
 * heard. With a recording the sound decides, and pauses when the picture runs dry; with the microphone nothing is
 * heard, and the clock's origin moves by as much as a frame is late.
 *
 * @param {object} parts
 * @param {ReturnType<import("./clock.js").createClock>} parts.clock
 * @param {CanvasRenderingContext2D} parts.screen
 * @param {ReturnType<import("./idle.js").createIdle>} parts.idle
 * @param {ReturnType<import("./meter.js").createMeter>} parts.meter
 * @param {number} parts.fps
 * @param {() => void} parts.onStart the first frame is on the screen
 * @param {() => void} parts.onEnd the last one has been
 */
export function createPlayer({ clock, screen, idle, meter, fps, onStart, onEnd }) {
  const frames = createFrameBuffer({ onError: (error) => meter.error({ code: "bad_frame", message: error.message }) });
  /** @type {Turn[]} */
  let turns = [];
  let recording = null;
  let sound = null;
  let dry = false;
  let template = null;
  let reserve = { least: Infinity, sinceS: 0 };
  let request = 0;

  const due = (turn, heardS) => Math.floor((heardS - turn.originS) * fps);
  const received = (turn) => frames.highest - turn.first + 1;
  const isReady = (turn, from, count) => turn.count !== null || received(turn) >= from + count;

  function tick() {
    const turn = turns[0];
    if (!turn) return;
    if (turn.originS === null && !start(turn)) return;
    const heardS = clock.heardS();
    const index = due(turn, heardS);
    if (turn.count !== null && index >= turn.count) return finish();
    if (index < 0 || isDry(turn, index, heardS)) return;
    if (!turn.recording) spendReserve(turn, index, heardS);
    show(turn, heardS);
  }

  function loop() {
    tick();
    request = turns.length ? requestAnimationFrame(loop) : 0;
  }

  function start(turn) {
    if (turn.count === 0) {
      turn.originS = clock.heardS();
      return true;
    }
    if (!isReady(turn, 0, START_FRAMES) || !frames.isDecoded(turn.first)) return false;
    const waitS = idle.secondsUntil(turn.template);
    const delayS = waitS < LONGEST_WAIT_S ? waitS : 0;
    if (turn.recording) {
      sound = clock.play(turn.recording, delayS, tick);
      turn.originS = sound.originS;
    } else {
      turn.originS = clock.heardS() + delayS;
    }
    return true;
  }

  /** Whether the frame that is due has not come: then the sound waits, or without one the origin moves. */
  function isDry(turn, index, heardS) {
    if (dry) {
      if (!isReady(turn, index, REFILL_FRAMES)) return true;
      dry = false;
      clock.resume();
      return false;
    }
    if (isReady(turn, index, 1)) return false;
    if (turn.recording) {
      dry = true;
      meter.stalled();
      clock.pause();
      idle.pause();
    } else {
      turn.originS = heardS - received(turn) / fps;
    }
    return true;
  }

  function spendReserve(turn, index, heardS) {
    reserve.least = Math.min(reserve.least, received(turn) - index);
    if (heardS - reserve.sinceS < 1) return;
    if (reserve.least > RESERVE_FRAMES) turn.originS -= (reserve.least - START_FRAMES) / fps;
    reserve = { least: Infinity, sinceS: heardS };
  }

  function show(turn, heardS) {
    const index = due(turn, heardS);
    const { frame, bitmap, dropped } = frames.take(turn.first + index);
    meter.dropped(dropped);
    if (!bitmap) return;
    const beganMs = performance.now();
    const [x1, y1, x2, y2] = frame.bounds;
    screen.drawImage(bitmap, x1, y1, x2 - x1, y2 - y1);
    bitmap.close();
    if (template === null) onStart();
    template = frame.template;
    idle.follow(template);
    const skewMs = (heardS - turn.originS - index / fps) * 1000 + performance.now() - beganMs;
    meter.shown({ skewMs, bufferedMs: ((received(turn) - index) / fps) * 1000 });
  }

  function finish() {
    turns.shift();
    sound?.stop();
    sound = null;
    if (template === null) {
      idle.interrupt();
    } else {
      idle.resume(template + 1);
      meter.segment();
    }
    template = null;
    if (turns.length === 0) onEnd();
  }

  return {
    /** What is heard with the next segment; null for the microphone. */
    expect: (buffer) => (recording = buffer),

    /** Seconds of the segment that have been heard. */
    heardS: () => (turns[0]?.originS == null ? 0 : Math.max(0, clock.heardS() - turns[0].originS)),

    segment({ first_frame, template: index }) {
      turns.push({ first: first_frame, template: index, count: null, recording, originS: null });
      recording = null;
      if (!request) loop();
    },

    segmentEnd({ first_frame, frames: count }) {
      const turn = turns.find(({ first }) => first === first_frame);
      if (turn) turn.count = count;
    },

    /** @param {import("./lipstream.js").Frame} frame */
    frame(frame) {
      if (frame.flags & FLAG.IDLE) return;
      meter.arrived(frame, turns.findLast(({ first }) => first <= frame.frame));
      meter.dropped(frames.put(frame));
      // Nothing is painted in a hidden page, but its frames are still due.
      if (document.hidden) tick();
    },

    /** Forgets everything that has not been shown. */
    clear() {
      turns = [];
      recording = null;
      sound?.stop();
      sound = null;
      frames.clear();
      if (dry) clock.resume();
      dry = false;
      template = null;
      idle.interrupt();
    },
  };
}
