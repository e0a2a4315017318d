/** Louder than this, in a chunk's root mean square, is speech; the assistant's line is silent otherwise. */
const LOUD = 0.004;
/** What went before the first loud chunk belongs to the word; a pause between words does not end an utterance. */
const BEFORE_CHUNKS = 3;
const PAUSE_CHUNKS = 14;

/**
 * Cuts an endless line into utterances.
 * @template Chunk
 * @param {object} on
 * @param {() => void} on.open an utterance begins
 * @param {(chunk: Chunk) => void} on.chunk of it
 * @param {() => void} on.close it is over
 */
export function createGate({ open, chunk: pass, close }) {
  let before = [];
  let quiet = 0;
  let isOpen = false;

  return {
    get isOpen() {
      return isOpen;
    },
    /** @param {Chunk} chunk @param {number} level its loudness */
    push(chunk, level) {
      const loud = level > LOUD;
      quiet = loud ? 0 : quiet + 1;
      if (isOpen) {
        pass(chunk);
        if (quiet < PAUSE_CHUNKS) return;
        isOpen = false;
        return close();
      }
      before = [...before.slice(-BEFORE_CHUNKS), chunk];
      if (!loud) return;
      isOpen = true;
      open();
      before.splice(0).forEach(pass);
    },
    /** The utterance is void; nothing is said of its end. */
    reset() {
      before = [];
      isOpen = false;
    },
  };
}
