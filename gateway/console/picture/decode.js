import { decodePicture } from "../lipstream.js";

/**
 * A frame that can be drawn: `draw` it once, or not, and `close` it.
 * @typedef {{draw: (screen: object) => void, close: () => void}} Picture
 */

/**
 * A frame that is the whole picture.
 * @param {import("../lipstream/wire.js").Frame} frame
 * @returns {Promise<Picture>}
 */
export async function decodeWhole(frame) {
  const bitmap = await decodePicture(frame);
  return { draw: (screen) => screen.put(bitmap, frame.bounds), close: () => bitmap.close() };
}

/**
 * Frames that are the mouth alone: each is drawn over its template frame. Both are decoded a few frames ahead of the
 * play position and closed behind it, so that no more bitmaps exist than in the other mode, twice.
 * @param {(index: number) => Blob} templateAt
 * @returns {(frame: import("../lipstream/wire.js").Frame) => Promise<Picture>}
 */
export function mouthDecoder(templateAt) {
  return async (frame) => {
    const [under, mouth] = await Promise.all([createImageBitmap(templateAt(frame.template)), decodePicture(frame)]);
    return {
      draw(screen) {
        screen.fill(under);
        screen.put(mouth, frame.bounds);
      },
      close() {
        under.close();
        mouth.close();
      },
    };
  };
}
