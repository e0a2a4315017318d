import { FLAG } from "../lipstream.js";
import { createLatency } from "./latency.js";

/** The numbers: what the read-out shows and what `window.lipstream.stats` holds. */

/** Twenty seconds of frames. */
const KEPT = 500;
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
  const latency = createLatency(chunkS);
  let shownMs = [];
  let came = [];

  return {
    stats,

    /** A session has started. @param {{fps: number}} session */
    started: ({ fps }) => latency.rate(fps),

    /** A new segment is about to be sent. @param {{lookahead_ms: number}} avatar that will say it */
    opened: (avatar) => latency.opened(avatar.lookahead_ms / 1000),
    sent: latency.sent,
    flushed: latency.ended,
    /** The server has begun a segment. @param {{first_frame: number}} event */
    began: (event) => latency.began(event.first_frame),
    /** Nothing of what was sent will come. */
    cleared: latency.cleared,

    /** A frame has come. */
    arrived(frame) {
      came.push({ atMs: performance.now(), bytes: frame.bytes.length });
      if (frame.flags & FLAG.CONCEALED) stats.framesConcealed += 1;
      const tookMs = latency.of(frame.frame);
      if (tookMs === null) return;
      keep(stats.latenciesMs, tookMs);
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
