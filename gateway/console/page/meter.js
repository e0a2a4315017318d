import { FLAG } from "../lipstream.js";

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
    bytesPerS: 0,
    /** epoch and number of the newest frames that were on the screen */
    shown: [],
    skewP95Ms: null,
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
  let came = [];

  return {
    stats,

    /** A session has started. @param {{fps: number, lookahead_ms: number}} session */
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
      came.push({ atMs: performance.now(), bytes: frame.bytes.length });
      if (frame.flags & FLAG.CONCEALED) stats.framesConcealed += 1;
      if (!turn) return;
      const chunk = Math.ceil(((frame.frame - turn.first) * frameS + lookaheadS) / chunkS) - 1;
      const leftMs = chunk < sent ? sentMs[chunk % SENT_KEPT] : flushedMs;
      if (leftMs === null || sent - chunk > SENT_KEPT) return;
      keep(stats.latenciesMs, performance.now() - leftMs);
      stats.latencyMs = quantile(stats.latenciesMs.slice(-25), 0.5);
    },

    shown({ frame, skewMs, bufferedMs }) {
      stats.framesShown += 1;
      keep(stats.shown, [frame.epoch, frame.frame]);
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
      came = came.filter(({ atMs }) => atMs > sinceMs);
      stats.bytesPerS = came.reduce((sum, { bytes }) => sum + bytes, 0);
      stats.skewP95Ms = quantile(stats.skewMs.map(Math.abs), 0.95);
    },
  };
}
