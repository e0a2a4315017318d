/**
 * A session that outlives its connection. When the socket drops, another one resumes the session, at whichever gateway
 * answers, and what that one lacks is said again. If no gateway knows the session any more it begins anew, in the frame
 * that is due. Epochs, frames and segments count on either way; the application only hears `reconnecting` and
 * `reconnected`.
 */

import { waitMs } from "./backoff.js";
import { createHeard } from "./heard.js";
import { createLog } from "./log.js";
import { messages } from "./messages.js";
import { BEGINNING, createNumbers } from "./numbers.js";
import { openSocket } from "./socket.js";
import { LipstreamError } from "./wire.js";

/** Close codes after which the session may go on elsewhere. */
const RESUMABLE = [1001, 1005, 1006, 1011, 1012, 1013];
/** A server resamples: it needs a little audio from before the frame at which it goes on. */
const MARGIN_S = 0.05;
const OF_SPEECH = ["segment", "speak_started", "speak_ended"];

/**
 * Opens a session. `started` resolves with the server's first `started`, or rejects with a `LipstreamError` when the
 * server refuses. Frames and segments of older epochs never reach the callbacks.
 * @param {string} url `ws://` or `wss://`
 * @param {import("../lipstream.js").Options} [options]
 */
export function connect(url, options = {}) {
  const { sampleRate = 24_000, pace = "live", idle = "client", output, quality, token, resendS = Infinity } = options;
  const { onFrame = () => {}, onEvent = () => {}, onClose = () => {} } = options;
  const { promise: started, resolve, reject } = Promise.withResolvers();
  // The application may watch `onClose` alone; then a failure is not an unhandled one.
  started.catch(() => {});
  const log = createLog({ avatar: options.avatar ?? "demo" });
  const heard = createHeard();
  const numbers = createNumbers();
  /** That of the newest barge-in, be it answered or not. */
  let epoch = 0;
  /** With what the session is resumed; null while there is none. */
  let ticket = null;
  let isUp = false;
  let isStarted = false;
  let isOver = false;
  let outage = { sinceMs: performance.now(), attempts: 0, timer: 0 };
  let socket = null;

  function open() {
    const mine = (socket = openSocket(url, {
      onEvent: (event) => mine === socket && receive(event),
      onFrame: (frame) => mine === socket && receiveFrame(frame),
      onClose: (close) => mine === socket && lost(close),
    }));
  }

  function greet() {
    if (ticket === null) return socket.tell("start", { v: 1, avatar: log.avatar, sample_rate: sampleRate, pace, idle, output, quality, token });
    const { last_frame, epoch: known, template } = heard.state();
    socket.tell("resume", { token: ticket, last_frame: numbers.frameThere(last_frame), epoch: numbers.epochThere(known), template });
  }

  function lost({ code, reason, fault }) {
    const retryable = RESUMABLE.includes(code);
    const unsaid = isUp ? { code: "closed", message: "the connection was lost" } : { code: "unreachable", message: "the server cannot be reached" };
    const error = new LipstreamError(fault ?? { ...unsaid, retryable });
    const comesBack = !isOver && retryable && (isUp || error.retryable);
    if (!comesBack) {
      leave();
      reject(error);
      return onClose({ code, reason, error: isOver ? null : error });
    }
    if (isUp) outage = { sinceMs: performance.now(), attempts: 0, timer: 0 };
    isUp = false;
    const wait = waitMs(outage.attempts, performance.now() - outage.sinceMs, error.code);
    outage.attempts += 1;
    outage.timer = setTimeout(open, wait);
    onEvent({ type: "reconnecting", attempt: outage.attempts, wait_ms: Math.round(wait), code: error.code, message: error.message });
  }

  function refused(event) {
    if (event.code !== "cannot_resume") return socket.close();
    ticket = null;
    greet();
  }

  function receive(event) {
    if (event.type === "hello") greet();
    if (event.type === "started" || event.type === "resumed") return up(event);
    if (event.type === "error" && !isUp) return refused(event);
    if (event.type === "ended") isOver = true;
    if (numbers.isOld(event)) return;
    const moved = numbers.event(event);
    if (event.type === "cleared") cleared(moved);
    else if (OF_SPEECH.includes(event.type)) spoken(moved);
    else onEvent(moved);
  }

  function receiveFrame(frame) {
    const moved = numbers.frame(frame);
    const utterance = heard.frame(moved);
    if (utterance) {
      const { samplesPerFrame } = heard;
      const behind = utterance.audio + (moved.frame + 1 - utterance.first_frame) * samplesPerFrame;
      log.forget(behind, utterance.audio, samplesPerFrame + MARGIN_S * sampleRate);
    }
    if (moved.epoch >= epoch) onFrame(moved);
  }

  function spoken(event) {
    const isVoid = event.epoch < epoch;
    const utterance = heard.numbered(event.segment);
    const news = heard.take(event, isVoid);
    if (news?.type === "speak_ended" && utterance) log.ended(utterance.audio + news.frames * heard.samplesPerFrame);
    // That it was cut is told of a void one, too.
    if (news && (!isVoid || news.interrupted)) onEvent(news);
  }

  function cleared(event) {
    log.confirm(event.epoch);
    const news = heard.cleared(event);
    if (news) onEvent(news);
  }

  function up(event) {
    const isNew = event.type === "started" || numbers.epoch(event.epoch) > epoch;
    [isUp, ticket] = [true, event.resume || null];
    heard.rate(event, sampleRate);
    if (isNew) beginAgain(event);
    else goOn(event);
    log.trim(resendS * sampleRate);
    const resent_ms = Math.round((log.waitingSamples * 1000) / sampleRate);
    pass();
    if (isStarted) {
      const outage_ms = Math.round(performance.now() - outage.sinceMs);
      return onEvent({ type: "reconnected", outage_ms, resent_ms, session: event.session, anew: isNew });
    }
    isStarted = true;
    resolve(event);
    onEvent(event);
  }

  function goOn(event) {
    log.confirm(numbers.epoch(event.epoch));
    log.goBack(event);
  }

  /** The server has begun, or lost what had not been sent and begun a new epoch: there all barge-ins are done. */
  function beginAgain(event) {
    const { frame, segment, template, pauses } = heard.position();
    const there = event.type === "started" ? BEGINNING : event;
    numbers.begin(there, { epoch, frame, segment }, event.fps);
    log.confirm(epoch);
    log.beginAgain(there, template, pauses);
    for (const answer of heard.unanswered()) onEvent(heard.cleared(answer));
  }

  function pass() {
    if (!isUp) return log.trim(resendS * sampleRate);
    for (const message of messages(log.take())) socket.send(message);
  }

  const onOnline = () => {
    if (!outage.timer || isUp || isOver) return;
    clearTimeout(outage.timer);
    open();
  };
  globalThis.addEventListener?.("online", onOnline);

  function leave() {
    clearTimeout(outage.timer);
    globalThis.removeEventListener?.("online", onOnline);
  }

  function say(type, fields) {
    log.say(type, fields);
    pass();
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
      log.audio(pcm);
      pass();
    },
    /** @param {number} template index that the next segment's first frame shall have */
    begin: (template) => say("begin", { template }),
    flush: () => say("flush"),
    /**
     * Barge-in. What is on its way is void from this moment on, not from the server's answer, `cleared`, which says
     * how much of the utterance was shown.
     * @param {number} [shown] number of the last speech frame that was really on the screen
     */
    clear(shown) {
      epoch += 1;
      heard.clear(epoch, shown);
      log.clear(epoch, { shown: numbers.frameThere(shown) });
      pass();
    },
    /** Another avatar of the same frame rate, from the next audio on; `switched` says when it is there. */
    switchAvatar: (name) => say("switch", { avatar: name }),
    /** Flushes, delivers the rest, closes. */
    end: () => say("end"),
    /** Closes at once; `onClose` is not called. */
    close() {
      isOver = true;
      leave();
      reject(new LipstreamError({ code: "closed", message: "the session was closed" }));
      const last = socket;
      socket = null;
      last?.close();
    },
  };
}
