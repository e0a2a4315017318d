import { FLAG } from "./lipstream.js";

/**
 * The numbers: what the read-out shows and what `window.lipstream.stats` holds.
 *
 * The latency of a frame is measured here, in the browser: from the moment at which the last sound that it needs left
 * for the server (its own and the avatar's look-ahead, or the flush) to its arrival. The network is in it.
 */

const KEPT = 500;
const SENT_KEPT = 4096;
const WINDOW_MS = 1000;

const keep = (list, value) => {
  list.push(value);
  if (list.length > KEPT) list.shift();
};

/** The value below which `share` of them lie; null of none. */
export function quantile(values, share) {
  if (values.length === 0) return null;
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];
}

/** @param {number} chunkS seconds of sound in a chunk */
export function createMeter(chunkS) {
  const stats = {
    framesShown: 0,
    framesDropped: 0,
    framesConcealed: 0,
    stalls: 0,
    segments: 0,
    errors: 0,
    lastError: null,
    fps: 0,
    latencyMs: null,
    bufferedMs: 0,
    /** how late the newest frames were drawn against the sound, milliseconds */
    skewMs: [],
    latenciesMs: [],
    /** what the server says of itself, once a second */
    server: null,
  };
  const sentMs = new Float64Array(SENT_KEPT);
  let sent = 0;
  let flushedMs = null;
  let lookaheadS = 0;
  let frameS = 0.04;
  let shownMs = [];

  return {
    stats,

    /** A session has started. @param {import("./lipstream.js").Started} session */
    started(session) {
      [frameS, lookaheadS] = [1 / session.fps, session.lookahead_ms / 1000];
    },

    /** A new segment is about to be sent. */
    opened() {
      [sent, flushedMs] = [0, null];
    },
    sent: () => (sentMs[sent++ % SENT_KEPT] = performance.now()),
    flushed: () => (flushedMs = performance.now()),

    /** A frame has come. @param {{first: number} | undefined} turn the segment that it belongs to */
    arrived(frame, turn) {
      if (frame.flags & FLAG.CONCEALED) stats.framesConcealed += 1;
      if (!turn) return;
      const chunk = Math.ceil(((frame.frame - turn.first) * frameS + lookaheadS) / chunkS) - 1;
      const leftMs = chunk < sent ? sentMs[chunk % SENT_KEPT] : flushedMs;
      if (leftMs === null || sent - chunk > SENT_KEPT) return;
      keep(stats.latenciesMs, performance.now() - leftMs);
      stats.latencyMs = quantile(stats.latenciesMs.slice(-25), 0.5);
    },

    shown({ skewMs, bufferedMs }) {
      stats.framesShown += 1;
      stats.bufferedMs = bufferedMs;
      keep(stats.skewMs, skewMs);
      shownMs.push(performance.now());
    },

    dropped: (count) => (stats.framesDropped += count),
    stalled: () => (stats.stalls += 1),
    segment: () => (stats.segments += 1),
    server: (event) => (stats.server = event),

    error({ code, message }) {
      stats.errors += 1;
      stats.lastError = { code, message };
    },

    /** Brings what depends on the time up to date. */
    refresh() {
      const sinceMs = performance.now() - WINDOW_MS;
      shownMs = shownMs.filter((at) => at > sinceMs);
      stats.fps = shownMs.length;
    },
  };
}
