/**
 * Which part of which answer each utterance is. The line carries one voice without marks; the events name the answer
 * (an "item") that it is, and the chunks count its time.
 *
 * @typedef {{item: string | null, offsetMs: number, segment: number | null}} Utterance `offsetMs`: where it begins within
 *   the item's audio
 */

const KEPT = 32;

/** @param {number} chunkMs */
export function createSpoken(chunkMs) {
  /** @type {Utterance[]} */
  let utterances = [];
  let item = null;
  let itemBegan = null;
  let chunks = 0;

  return {
    /** A chunk of the line has come. */
    tick: () => (chunks += 1),
    /** What comes next belongs to this item. @param {string} id */
    item(id) {
      if (id !== item) [item, itemBegan] = [id, null];
    },
    open() {
      itemBegan ??= chunks;
      utterances = [...utterances.slice(-KEPT), { item, offsetMs: (chunks - itemBegan) * chunkMs, segment: null }];
    },
    /** The server has begun to see the oldest utterance that it has not seen yet. */
    segment(number) {
      const waiting = utterances.find(({ segment }) => segment === null);
      if (waiting) waiting.segment = number;
    },
    /**
     * How much of an item was heard when an utterance was cut.
     * @returns {{item_id: string, audio_end_ms: number} | null}
     */
    heard(number, positionMs) {
      const cut = utterances.find(({ segment }) => segment === number);
      utterances = [];
      if (!cut?.item) return null;
      return { item_id: cut.item, audio_end_ms: Math.max(0, Math.round(cut.offsetMs + positionMs)) };
    },
  };
}
