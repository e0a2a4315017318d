/** What goes over the wire: names, numbers and the header of a frame. */

export const PROTOCOL = "lipstream.v1";

/** What is special about a frame; the values are bits. */
export const FLAG = Object.freeze({ IDLE: 1, CONCEALED: 2, LAST: 4 });

const MAGIC = 0x4c53;
const HEADER_BYTES = 40;
const CODEC_JPEG = 1;

/**
 * @typedef {object} Frame
 * @property {number} epoch raised by `clear`
 * @property {number} frame counts all speech frames of the session from 0
 * @property {number} ptsUs media time of the frame's first sample, microseconds
 * @property {number} template index of the template frame under the mouth
 * @property {number} flags bits of `FLAG`
 * @property {[number, number, number, number]} bounds x1, y1, x2, y2 within the avatar's frame, ends exclusive
 * @property {Uint8Array} bytes the JPEG: the whole picture, or with `output: "patch"` what lies within `bounds`
 */

/** An `error` of the server, or a message that this client cannot read. */
export class LipstreamError extends Error {
  /** @param {{code: string, message: string, retryable?: boolean, field?: string, limit?: unknown}} fields */
  constructor({ code, message, retryable = false, field, limit }) {
    super(message);
    Object.assign(this, { name: "LipstreamError", code, retryable, field, limit });
  }
}

/**
 * The header and the picture of a binary message; the picture is a view, not a copy.
 * @param {ArrayBuffer} message
 * @returns {Frame}
 */
export function parseFrame(message) {
  const view = new DataView(message);
  if (message.byteLength < HEADER_BYTES || view.getUint16(0) !== MAGIC || view.getUint8(2) !== 1) {
    throw new LipstreamError({ code: "bad_frame", message: "not a lipstream.v1 frame" });
  }
  if (view.getUint8(3) !== CODEC_JPEG) {
    throw new LipstreamError({ code: "bad_frame", message: `unknown picture codec ${view.getUint8(3)}` });
  }
  const length = view.getUint16(6, true);
  const size = view.getUint32(36, true);
  if (message.byteLength !== length + size) {
    throw new LipstreamError({ code: "bad_frame", message: `announced ${length + size} bytes, got ${message.byteLength}` });
  }
  return {
    flags: view.getUint16(4, true),
    epoch: view.getUint32(8, true),
    frame: view.getUint32(12, true),
    ptsUs: Number(view.getBigUint64(16, true)),
    template: view.getUint32(24, true),
    bounds: [28, 30, 32, 34].map((offset) => view.getUint16(offset, true)),
    bytes: new Uint8Array(message, length, size),
  };
}

/**
 * Decodes a frame's picture off the main thread. Close the bitmap after use.
 * @param {Frame} frame
 * @returns {Promise<ImageBitmap>}
 */
export function decodePicture(frame) {
  return createImageBitmap(new Blob([frame.bytes], { type: "image/jpeg" }));
}
