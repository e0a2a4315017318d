/**
 * An avatar's template frames, for the mode in which only the mouth comes over the wire: loaded once, kept in IndexedDB.
 *
 * They are kept under the avatar's name and the ETag of its template video, which changes with the file. Frames under
 * another ETag are thrown away as soon as the server names a new one.
 */

import { decodeWhole, mouthDecoder } from "./decode.js";
import { openStore } from "./store.js";

const PARALLEL = 8;

/**
 * @param {{name: string, template_frames: number}} avatar
 * @param {object} options
 * @param {(path: string, init?: RequestInit) => Promise<Response>} options.get
 * @param {(share: number) => void} options.onProgress 0 to 1
 * @param {AbortSignal} options.signal
 * @returns {Promise<(index: number) => Blob>} the frames
 */
export async function loadTemplates({ name, template_frames: count }, { get, onProgress, signal }) {
  const base = `/api/avatars/${encodeURIComponent(name)}`;
  const { headers } = await get(`${base}/template.mp4`, { method: "HEAD", signal });
  const digest = headers.get("etag") ?? headers.get("last-modified") ?? "";
  const store = await openStore();
  const blobs = await store.read(name, digest, count);
  const missing = Array.from({ length: count }, (_, index) => index).filter((index) => !blobs[index]);
  onProgress(1 - missing.length / count);

  async function fetchSome(most) {
    for (let fetched = 0; fetched < most && missing.length > 0; fetched++) {
      const index = missing.shift();
      // A new digest must not meet a copy that the browser keeps from before.
      const answer = await get(`${base}/frames/${index}.jpg?of=${encodeURIComponent(digest)}`, { signal });
      blobs[index] = await answer.blob();
      await store.write(name, digest, index, blobs[index]);
      onProgress(1 - missing.length / count);
    }
  }

  try {
    // The first one makes the server decode the template; the others would only wait beside it.
    await fetchSome(1);
    await Promise.all(Array.from({ length: PARALLEL }, () => fetchSome(Infinity)));
  } finally {
    store.close();
  }
  onProgress(1);
  return (index) => blobs[index];
}

/**
 * How the frames of a session become pictures; what that needs is loaded first.
 * @param {{output: "frame" | "patch", avatar: object}} wish
 * @param {object} options those of `loadTemplates`
 */
export async function chooseDecoder({ output, avatar }, options) {
  return output === "patch" ? mouthDecoder(await loadTemplates(avatar, options)) : decodeWhole;
}
