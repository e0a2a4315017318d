import { decodePicture } from "./lipstream.js";

/**
 * The jitter buffer: received frames in their order, the next few of them decoded.
 * JPEGs are small and bitmaps are not (3.7 MB at 720p), so only `decodeAhead` of them exist at a time.
 * @param {{decodeAhead?: number, limit?: number, onError?: (error: Error) => void}} [options]
 */
export function createFrameBuffer({ decodeAhead = 8, limit = 250, onError = () => {} } = {}) {
  /** @type {Map<number, {frame: import("./lipstream.js").Frame, bitmap: ImageBitmap | null, state: string}>} */
  const entries = new Map();
  let highest = -1;

  async function decode(entry) {
    entry.state = "decoding";
    try {
      const bitmap = await decodePicture(entry.frame);
      if (entry.state === "gone") return bitmap.close();
      Object.assign(entry, { bitmap, state: "decoded" });
    } catch (error) {
      remove(entry);
      onError(error);
    }
  }

  function remove(entry) {
    entry.bitmap?.close();
    Object.assign(entry, { bitmap: null, state: "gone" });
    entries.delete(entry.frame.frame);
  }

  function decodeFrom(number) {
    let budget = decodeAhead;
    for (const entry of entries.values()) {
      if (entry.frame.frame < number) continue;
      if (budget-- === 0) return;
      if (entry.state === "received") decode(entry);
    }
  }

  return {
    /** Number of the newest frame received; -1 after `clear`. */
    get highest() {
      return highest;
    },
    isDecoded: (number) => entries.get(number)?.state === "decoded",

    /** @returns {number} frames that had to go because the buffer is full: 0 or 1 */
    put(frame) {
      entries.set(frame.frame, { frame, bitmap: null, state: "received" });
      highest = Math.max(highest, frame.frame);
      decodeFrom(entries.keys().next().value);
      if (entries.size <= limit) return 0;
      remove(entries.values().next().value);
      return 1;
    },

    /**
     * Frame `number`, if it is decoded; the caller closes its bitmap. Older ones go: their sound has been heard.
     * @returns {{frame: import("./lipstream.js").Frame | null, bitmap: ImageBitmap | null, dropped: number}}
     */
    take(number) {
      const stale = [...entries.values()].filter(({ frame }) => frame.frame < number);
      stale.forEach(remove);
      decodeFrom(number);
      const entry = entries.get(number);
      if (entry?.state !== "decoded") return { frame: null, bitmap: null, dropped: stale.length };
      const { frame, bitmap } = entry;
      entry.bitmap = null;
      remove(entry);
      return { frame, bitmap, dropped: stale.length };
    },

    clear() {
      [...entries.values()].forEach(remove);
      highest = -1;
    },
  };
}
