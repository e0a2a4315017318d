/** Template frames in IndexedDB. Where the browser allows none (a private window), they are fetched each time. */

import { lasting } from "../storage.js";

const NAME = "lipstream";
const STORE = "templates";
/** Frames of so many avatars are kept, some 15 MB each; the one that was used longest ago goes first. */
const AVATARS_MOST = 6;

const promised = (request) =>
  new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });

async function open() {
  const request = indexedDB.open(NAME, 1);
  request.onupgradeneeded = () => request.result.createObjectStore(STORE);
  return promised(request);
}

const range = (name) => IDBKeyRange.bound([name], [name, []]);
const usedAt = () => JSON.parse(lasting.read("lipstream.templates") ?? "{}");

/** Notes that an avatar is used now; gives those that have to go. */
function note(name) {
  const used = { ...usedAt(), [name]: Date.now() };
  const gone = Object.keys(used).sort((a, b) => used[b] - used[a]).slice(AVATARS_MOST);
  gone.forEach((one) => delete used[one]);
  lasting.write("lipstream.templates", JSON.stringify(used));
  return gone;
}

export async function openStore() {
  const database = await open().catch(() => null);
  if (!database) return { read: async () => [], write: async () => {}, close() {} };
  const frames = (mode) => database.transaction(STORE, mode).objectStore(STORE);

  return {
    /** @returns {Promise<(Blob | undefined)[]>} what is kept of this digest; what is of others is thrown away */
    async read(name, digest, count) {
      for (const gone of note(name)) await promised(frames("readwrite").delete(range(gone)));
      const keys = await promised(frames("readonly").getAllKeys(range(name)));
      const blobs = await promised(frames("readonly").getAll(range(name)));
      const kept = new Array(count);
      const stale = [];
      keys.forEach((key, k) => (key[1] === digest && key[2] < count ? (kept[key[2]] = blobs[k]) : stale.push(key)));
      if (stale.length) await promised(frames("readwrite").delete(range(name)));
      return stale.length ? new Array(count) : kept;
    },
    /** Keeps one; a full disk is no reason not to speak. */
    write: (name, digest, index, blob) =>
      promised(frames("readwrite").put(blob, [name, digest, index])).catch(() => {}),
    close: () => database.close(),
  };
}
