import { FLAG } from "../lipstream.js";
import { createFrameBuffer } from "./frames.js";
import { createQueue } from "./queue.js";
import { createReserve } from "./reserve.js";

/** Frames in the buffer before a segment starts, and before it goes on after it ran dry. */
const START_FRAMES = 4;
const REFILL_FRAMES = 8;
const RESERVE_FRAMES = 6;
/** Where nobody hears the sound, a picture that is a little late is better than none. */
const LATE_FRAMES = 12;
/** No head waits longer than this for its loop to come round; it is only a start delay that was guessed wrong. */
const LONGEST_WAIT_S = 1.5;

/**
 * Shows the frames of a session on the media clock: frame `f` of a segment while the sound at `(f - first) / fps` is
 * heard. With a voice the sound decides, and pauses when the picture runs dry; with the microphone nothing is heard,
 * and the clock's origin moves by as much as a frame is late.
 *
 * @param {object} parts
 * @param {ReturnType<import("../sound/clock.js").createClock>} parts.clock
 * @param {ReturnType<import("./screen.js").createScreen>} parts.screen
 * @param {ReturnType<import("./idle.js").createIdle>} parts.idle
 * @param {ReturnType<import("../page/meter.js").createMeter>} parts.meter
 * @param {typeof import("./decode.js").decodeWhole} parts.decode how frames become pictures
 * @param {number} parts.fps
 * @param {() => void} parts.onStart the first frame is on the screen
 * @param {() => void} parts.onEnd the last one has been
 * @param {(avatar: object) => void} parts.onLook the next picture is another avatar's
 */
export function createPlayer({ clock, screen, idle, meter, decode, fps, onStart, onEnd, onLook }) {
  const frames = createFrameBuffer({
    decode,
    fps,
    onError: (error) => meter.error({ code: "bad_frame", message: error.message }),
  });
  const queue = createQueue();
  const spare = createReserve({ most: RESERVE_FRAMES, keep: START_FRAMES });
  let looks = [];
  let sound = null;
  /** Clock time at which a turn that goes on takes the voice over. */
  let handoverS = 0;
  let dry = false;
  let template = null;
  let shown;
  let request = 0;

  const due = (turn, heardS) => Math.floor((heardS - turn.originS) * fps);
  const received = (turn) => frames.highest - turn.first + 1;
  const isReady = (turn, from, count) => turn.count !== null || received(turn) >= from + count;

  function tick() {
    const turn = queue.head;
    if (!turn || (turn.originS === null && !start(turn))) return;
    const heardS = clock.heardS();
    const index = due(turn, heardS);
    if (turn.count !== null && index >= turn.count) return finish(turn);
    if (index < 0 || isDry(turn, index, heardS)) return;
    if (!turn.voice) turn.originS -= spare(received(turn) - index, heardS) / fps;
    show(turn, heardS);
  }

  function loop() {
    tick();
    request = queue.head ? requestAnimationFrame(loop) : 0;
  }

  function start(turn) {
    if (turn.goesOn || turn.count === 0) {
      turn.originS = turn.goesOn ? handoverS : clock.heardS();
      return true;
    }
    if (!isReady(turn, 0, START_FRAMES) || !frames.isDecoded(turn.first)) return false;
    const waitS = idle.secondsUntil(turn.template);
    const delayS = waitS < LONGEST_WAIT_S ? waitS : 0;
    sound = turn.voice?.play(delayS, tick) ?? null;
    turn.originS = sound?.originS ?? clock.heardS() + delayS;
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
    if (turn.voice) runDry();
    else turn.originS = heardS - received(turn) / fps;
    return true;
  }

  function runDry() {
    dry = true;
    meter.stalled();
    clock.pause();
    idle.pause();
  }

  function show(turn, heardS) {
    const index = due(turn, heardS);
    const { frame, picture, dropped } = frames.take(turn.first + index, turn.voice ? 0 : LATE_FRAMES);
    meter.dropped(dropped);
    if (!picture) return;
    const beganMs = performance.now();
    takeLooks(frame.frame);
    picture.draw(screen);
    picture.close();
    shown = frame.frame;
    if (template === null) onStart();
    template = frame.template;
    idle.follow(template);
    const dueS = turn.originS + (frame.frame - turn.first) / fps;
    const skewMs = (heardS - dueS) * 1000 + performance.now() - beganMs;
    meter.shown({ frame, skewMs, bufferedMs: ((received(turn) - index) / fps) * 1000 });
  }

  function takeLooks(number) {
    for (; looks.length && looks[0].first <= number; looks.shift()) onLook(looks[0].avatar);
  }

  function finish(turn) {
    const { isCut } = queue;
    queue.shift();
    handoverS = turn.originS + turn.count / fps;
    meter.dropped(frames.pass(turn.first + turn.count));
    if (isCut) return queue.head || runDry();
    sound?.stop();
    sound = null;
    if (template === null) {
      idle.interrupt();
    } else {
      idle.resume(template + 1);
      meter.segment();
    }
    template = null;
    if (queue.isBusy) return;
    takeLooks(Infinity);
    onEnd();
  }

  return {
    expect: queue.expect,
    split: queue.split,

    /** From this frame on the pictures are another avatar's. */
    look(first, avatar) {
      looks.push({ first, avatar });
      if (!queue.isBusy) takeLooks(Infinity);
    },

    /** Number of the last speech frame that was on the screen; undefined before the first. */
    shown: () => shown,

    /** Whether speech is on its way or on the screen. */
    isBusy: () => queue.isBusy,

    /** Seconds of the voice that have been heard. */
    heardS: () => (sound ? Math.max(0, clock.heardS() - sound.originS) : 0),

    segment(event) {
      queue.segment(event);
      meter.began(event);
      if (!request) loop();
    },
    segmentEnd: queue.segmentEnd,

    /** @param {import("../lipstream/wire.js").Frame} frame */
    frame(frame) {
      if (frame.flags & FLAG.IDLE) return;
      meter.arrived(frame);
      meter.dropped(frames.put(frame));
      // Nothing is painted in a hidden page, but its frames are still due.
      if (document.hidden) tick();
    },

    /** Forgets everything that has not been shown. */
    clear() {
      queue.clear();
      meter.cleared();
      sound?.stop();
      sound = null;
      frames.clear();
      if (dry) clock.resume();
      dry = false;
      template = null;
      takeLooks(Infinity);
      idle.interrupt();
    },
  };
}
