/**
 * The latency of a frame, measured here in the browser: from the moment at which the last sound that it needs left for
 * the server (its own and the avatar's look-ahead, or the end) to its arrival. The network is in it.
 *
 * @typedef {object} Sound what becomes one segment: an utterance, or a part of one that a change of avatar cut in two
 * @property {Float64Array} atMs when its newest chunks left, a ring
 * @property {number} sent its chunks
 * @property {number | null} endedMs when it was flushed or cut; null while it goes on
 * @property {number} lookaheadS of the avatar that says it
 * @property {number | null} first number of the segment's first frame; null before the server has begun it
 */

const CHUNKS_KEPT = 4096;
/** Frames of so many segments before the newest may still be on their way. */
const SEGMENTS_KEPT = 4;

/** Seconds have no exact sums. */
const ROUNDING = 1e-6;

/** @param {number} chunkS seconds of sound in a chunk */
export function createLatency(chunkS) {
  /** @type {Sound[]} */
  let sounds = [];
  let frameS = 0.04;

  function ended() {
    const last = sounds.at(-1);
    if (last) last.endedMs ??= performance.now();
  }

  return {
    rate: (fps) => (frameS = 1 / fps),

    /** What is sent from now on becomes another segment. */
    opened(lookaheadS) {
      ended();
      // Of nothing the server makes no segment.
      sounds = sounds.filter(({ sent }) => sent > 0);
      sounds.push({ atMs: new Float64Array(CHUNKS_KEPT), sent: 0, endedMs: null, lookaheadS, first: null });
    },
    sent() {
      const { atMs, sent } = sounds.at(-1);
      atMs[sent % CHUNKS_KEPT] = performance.now();
      sounds.at(-1).sent += 1;
    },
    ended,

    /** The server has begun the oldest segment that it had not begun yet. */
    began(first) {
      const index = sounds.findIndex((sound) => sound.first === null && sound.sent > 0);
      if (index < 0) return;
      sounds[index].first = first;
      sounds = sounds.slice(Math.max(0, index - SEGMENTS_KEPT));
    },
    cleared: () => (sounds = []),

    /** @returns {number | null} milliseconds that a frame took which has come now; null: not known */
    of(frame) {
      const sound = sounds.findLast(({ first }) => first !== null && first <= frame);
      if (!sound) return null;
      const needsS = (frame - sound.first) * frameS + sound.lookaheadS;
      const chunk = Math.max(0, Math.ceil(needsS / chunkS - ROUNDING) - 1);
      if (sound.sent - chunk > CHUNKS_KEPT) return null;
      const leftMs = chunk < sound.sent ? sound.atMs[chunk % CHUNKS_KEPT] : sound.endedMs;
      return leftMs === null ? null : performance.now() - leftMs;
    },
  };
}
