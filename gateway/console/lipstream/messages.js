/** Audio goes in messages of half a second at 24 kHz at most: a server takes none that is too long, and counts them. */
const MESSAGE_SAMPLES = 12_000;

/**
 * Items of the log as messages; audio that follows on audio goes with it.
 * @param {import("./log.js").Item[]} items
 * @returns {Generator<string | Int16Array>}
 */
export function* messages(items) {
  let run = [];
  for (const { type, pcm, fields } of items) {
    if (pcm) {
      run.push(pcm);
      continue;
    }
    yield* pieces(run);
    run = [];
    yield JSON.stringify({ type, ...fields });
  }
  yield* pieces(run);
}

/** @param {Int16Array[]} run */
function* pieces(run) {
  const all = run.length === 1 ? run[0] : joined(run);
  for (let at = 0; at < all.length; at += MESSAGE_SAMPLES) yield all.subarray(at, at + MESSAGE_SAMPLES);
}

/** @param {Int16Array[]} run */
function joined(run) {
  const all = new Int16Array(run.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const pcm of run) {
    all.set(pcm, at);
    at += pcm.length;
  }
  return all;
}
