/** Bitmaps are large (3.7 MB at 720p) and JPEGs are not: so few frames are decoded ahead, and so few at a time. */
const DECODE_AHEAD = 8;
const PARALLEL = 3;

/**
 * The jitter buffer: received frames in their order, the next few of them decoded. On a machine that is too slow to
 * decode all, it leaves out those that would be late anyway.
 * @param {object} options
 * @param {(frame: import("../lipstream/wire.js").Frame) => Promise<import("./decode.js").Picture>} options.decode
 * @param {(error: Error) => void} options.onError
 * @param {number} options.fps
 * @param {number} [options.limit] frames that are kept
 */
export function createFrameBuffer({ decode, onError, fps, limit = 250 }) {
  /** @type {Map<number, {frame: object, picture: import("./decode.js").Picture | null, state: string}>} */
  const entries = new Map();
  let highest = -1;
  /** The first frame that is worth decoding. */
  let from = 0;
  let decodeS = 0;

  async function prepare(entry) {
    entry.state = "decoding";
    const beganMs = performance.now();
    try {
      const picture = await decode(entry.frame);
      decodeS += ((performance.now() - beganMs) / 1000 - decodeS) / 4;
      if (entry.state === "gone") return picture.close();
      Object.assign(entry, { picture, state: "decoded" });
    } catch (error) {
      remove(entry);
      onError(error);
    }
    decodeNext();
  }

  function remove(entry) {
    entry.picture?.close();
    Object.assign(entry, { picture: null, state: "gone" });
    entries.delete(entry.frame.frame);
  }

  function decodeNext() {
    const near = [...entries.values()].filter(({ frame }) => frame.frame >= from).slice(0, DECODE_AHEAD);
    let room = PARALLEL - [...entries.values()].filter(({ state }) => state === "decoding").length;
    for (const entry of near) {
      if (entry.state !== "received" || room-- <= 0) continue;
      prepare(entry);
    }
  }

  return {
    /** Number of the newest frame received; -1 after `clear`. */
    get highest() {
      return highest;
    },

    /** Whether a frame can be taken; from now on it and those behind it are decoded. */
    isDecoded(number) {
      from = number;
      decodeNext();
      return entries.get(number)?.state === "decoded";
    },

    /** @returns {number} frames that had to go because the buffer is full: 0 or 1 */
    put(frame) {
      entries.set(frame.frame, { frame, picture: null, state: "received" });
      highest = Math.max(highest, frame.frame);
      decodeNext();
      if (entries.size <= limit) return 0;
      remove(entries.values().next().value);
      return 1;
    },

    /**
     * Frame `number`, or the newest decoded one that is at most `late` frames before it; the caller closes its picture.
     * Those before it go: their time has passed.
     * @returns {{frame: object | null, picture: import("./decode.js").Picture | null, dropped: number}}
     */
    take(number, late = 0) {
      from = number + 1 + Math.min(DECODE_AHEAD, Math.floor(decodeS * fps));
      const past = [...entries.values()].filter(({ frame }) => frame.frame <= number);
      const best = past.findLast(({ state, frame }) => state === "decoded" && frame.frame >= number - late);
      const stale = past.filter(({ frame }) => frame.frame < (best?.frame.frame ?? number - late));
      stale.forEach(remove);
      decodeNext();
      if (!best) return { frame: null, picture: null, dropped: stale.length };
      const { frame, picture } = best;
      best.picture = null;
      remove(best);
      return { frame, picture, dropped: stale.length };
    },

    /** The time of all frames before `number` has passed. @returns {number} how many were still here */
    pass(number) {
      const past = [...entries.values()].filter(({ frame }) => frame.frame < number);
      past.forEach(remove);
      return past.length;
    },

    clear() {
      [...entries.values()].forEach(remove);
      [highest, from] = [-1, 0];
    },
  };
}
