/**
 * A session that outlives its connection. When the socket drops it connects again, begins where the head is, and says
 * again what had been said but not come back; epochs, frames and segments count on as if nothing had happened. The
 * application only hears `reconnecting` and `reconnected`.
 */

import { waitMs } from "./backoff.js";
import { createLedger } from "./ledger.js";
import { shifted } from "./numbers.js";
import { sayAgain, whereBegins } from "./resume.js";
import { openSocket } from "./socket.js";
import { LipstreamError } from "./wire.js";

/** The close code of a server that wants this client no more. */
const POLICY = 1008;

/**
 * Opens a session. `started` resolves with the server's first `started`, or rejects with a `LipstreamError` when the
 * server refuses. Frames and segments of older epochs never reach the callbacks.
 * @param {string} url `ws://` or `wss://`
 * @param {import("../lipstream.js").Options} [options]
 */
export function connect(url, options = {}) {
  const { sampleRate = 24_000, pace = "live", idle = "client", output, quality, token, resendS = 30 } = options;
  const { onFrame = () => {}, onEvent = () => {}, onClose = () => {} } = options;
  const { promise: started, resolve, reject } = Promise.withResolvers();
  // The application may watch `onClose` alone; then a failure is not an unhandled one.
  started.catch(() => {});
  const ledger = createLedger({ limitSamples: resendS * sampleRate });
  let avatar = options.avatar ?? "demo";
  let frameMs = 40;
  let epoch = 0;
  /** What the present connection's numbers lack. */
  let shift = { epoch: 0, frame: 0, segment: 0 };
  /** What was shown of the utterance that the last `clear` cut, where this side knows. */
  let cut = null;
  let isUp = false;
  let isStarted = false;
  let closing = false;
  let outage = { sinceMs: performance.now(), attempts: 0, timer: 0 };
  let socket = null;

  function open() {
    const fields = { avatar, sample_rate: sampleRate, pace, idle, output, quality, token };
    const mine = (socket = openSocket(url, fields, {
      onEvent: (event) => mine === socket && receive(event),
      onFrame: (frame) => mine === socket && receiveFrame(frame),
      onClose: (close) => mine === socket && lost(close),
    }));
  }

  function lost({ code, reason, error }) {
    const refused = code === POLICY || (!isUp && !error.retryable);
    if (closing || refused) {
      reject(error);
      return onClose({ code, reason, error: closing ? null : error });
    }
    if (isUp) outage = { sinceMs: performance.now(), attempts: 0, timer: 0 };
    isUp = false;
    const wait = waitMs(outage.attempts, performance.now() - outage.sinceMs, error.code);
    outage.attempts += 1;
    outage.timer = setTimeout(open, wait);
    onEvent({ type: "reconnecting", attempt: outage.attempts, wait_ms: Math.round(wait), code: error.code, message: error.message });
  }

  function receive(event) {
    const moved = shifted(event, shift);
    if (event.type === "started") return up(event);
    if (event.type === "error" && !isUp) return event.retryable ? undefined : socket.close();
    if (event.type === "switched") [avatar, frameMs] = [event.avatar, 1000 / event.fps];
    if (event.type === "cleared") return cleared(moved);
    if (!("epoch" in event)) return onEvent(moved);
    if (moved.epoch < epoch) return moved.interrupted ? onEvent(moved) : undefined;
    const known = ledger.numbered(moved.segment);
    if (event.type === "speak_ended") return spoken(moved, known);
    if (event.type === "segment" && known) return;
    if (event.type === "segment") ledger.segment(moved);
    if (event.type === "speak_started" && known?.skipped) return;
    onEvent(moved);
  }

  function receiveFrame(frame) {
    const moved = { ...frame, epoch: frame.epoch + shift.epoch, frame: frame.frame + shift.frame };
    if (moved.epoch < epoch) return;
    ledger.frame(moved);
    onFrame(moved);
  }

  function spoken(event, known) {
    ledger.ended(event);
    if (!known?.skipped) return onEvent(event);
    const { first, skipped } = known;
    onEvent({ ...event, first_frame: first, frames: event.frames + skipped, position_ms: event.position_ms + skipped * frameMs });
  }

  function cleared(event) {
    epoch = Math.max(epoch, event.epoch);
    ledger.skipTo(event.next_frame);
    onEvent({ ...event, ...cut });
  }

  function up(event) {
    [isUp, frameMs] = [true, 1000 / event.fps];
    ledger.rate(sampleRate, event.samples_per_frame);
    const samples = resume();
    const again = isStarted;
    isStarted = true;
    resolve(event);
    if (!again) return onEvent(event);
    const outage_ms = Math.round(performance.now() - outage.sinceMs);
    onEvent({ type: "reconnected", outage_ms, resent_ms: Math.round((samples * 1000) / sampleRate) });
  }

  /** Says again what is owed; gives how many samples that were. */
  function resume() {
    const owed = ledger.resume();
    shift = { epoch, ...whereBegins(owed, ledger.next()) };
    return sayAgain(socket, owed, avatar);
  }

  const onOnline = () => {
    if (!outage.timer || isUp || closing) return;
    clearTimeout(outage.timer);
    open();
  };
  globalThis.addEventListener?.("online", onOnline);

  function leave() {
    closing = true;
    clearTimeout(outage.timer);
    globalThis.removeEventListener?.("online", onOnline);
  }

  open();
  return {
    /** @type {Promise<object>} */
    started,
    /** Whether the server is there. */
    get isUp() {
      return isUp;
    },
    /** Bytes that wait in this browser for the network. */
    get bufferedBytes() {
      return isUp ? socket.bufferedBytes : 0;
    },
    /** @param {Int16Array} pcm mono, at the session's rate; typed arrays are little endian wherever browsers run */
    sendAudio(pcm) {
      ledger.audio(pcm, avatar);
      if (isUp) socket.send(pcm);
    },
    /** @param {number} template index that the next segment's first frame shall have */
    begin(template) {
      ledger.begin(template);
      if (isUp) socket.tell("begin", { template });
    },
    flush() {
      ledger.flush(avatar);
      if (isUp) socket.tell("flush");
    },
    /**
     * Barge-in. What is on its way is void from this moment on, not from the server's answer, `cleared`, which says
     * how much of the utterance was shown.
     * @param {number} [shown] number of the last speech frame that was really on the screen
     */
    clear(shown) {
      epoch += 1;
      const spoken = ledger.at(shown ?? -1);
      cut = spoken ? { segment: spoken.segment, position_ms: (shown + 1 - spoken.first) * frameMs } : null;
      ledger.clear();
      if (isUp) return socket.tell("clear", { shown: shown >= shift.frame ? shown - shift.frame : undefined });
      onEvent({ type: "cleared", epoch, next_frame: ledger.next().frame, segment: null, position_ms: null, ...cut });
    },
    /** Another avatar of the same frame rate, from the next audio on; `switched` says when it is there. */
    switchAvatar(name) {
      ledger.switched();
      if (isUp) socket.tell("switch", { avatar: name });
      else avatar = name;
    },
    /** Flushes, delivers the rest, closes. */
    end() {
      leave();
      if (isUp) socket.tell("end");
      else socket.close();
    },
    /** Closes at once; `onClose` is not called. */
    close() {
      leave();
      reject(new LipstreamError({ code: "closed", message: "the session was closed" }));
      const last = socket;
      socket = null;
      last?.close();
    },
  };
}
