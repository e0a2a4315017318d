/**
 * `lipstream.v1` for browsers: speech goes out, frames come in. Needs nothing else of the console.
 *
 *     const session = connect("ws://127.0.0.1:3000/ws", {
 *       onEvent: (event) => console.log(event.type, event),
 *       onFrame: async (frame) => screen.drawImage(await decodePicture(frame), frame.bounds[0], frame.bounds[1]),
 *     });
 *     await session.started;
 *     session.sendAudio(pcm);  // Int16Array, any length
 *     session.flush();
 */

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
 * @property {Uint8Array} bytes the JPEG
 */

/**
 * @typedef {object} Started
 * @property {string} session
 * @property {string} avatar
 * @property {number} fps
 * @property {number} width
 * @property {number} height
 * @property {number} template_frames
 * @property {number} lookahead_ms
 * @property {number} epoch
 */

/**
 * @typedef {object} Options
 * @property {string} [avatar]
 * @property {number} [sampleRate] Hz, 8000 to 48000
 * @property {"live" | "lossless"} [pace]
 * @property {"client" | "server"} [idle]
 * @property {number} [quality] of the JPEGs, 1 to 100
 * @property {(frame: Frame) => void} [onFrame]
 * @property {(event: {type: string, [field: string]: any}) => void} [onEvent] every JSON message of the server
 * @property {(close: {code: number, reason: string, expected: boolean}) => void} [onClose] called once
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

/**
 * Opens a session. `started` resolves with the server's `started`, or rejects with a `LipstreamError`.
 * Frames and segments of older epochs never reach the callbacks.
 * @param {string} url `ws://` or `wss://`
 * @param {Options} [options]
 */
export function connect(url, options = {}) {
  const { avatar = "demo", sampleRate = 24000, pace = "live", idle = "client", quality } = options;
  const { onFrame = () => {}, onEvent = () => {}, onClose = () => {} } = options;
  const socket = new WebSocket(url, PROTOCOL);
  socket.binaryType = "arraybuffer";
  const { promise: started, resolve, reject } = deferred();
  let epoch = 0;
  let closing = false;
  let failure = new LipstreamError({ code: "unreachable", message: "the server cannot be reached", retryable: true });

  const send = (data) => socket.readyState === WebSocket.OPEN && socket.send(data);
  const tell = (type, fields = {}) => send(JSON.stringify({ type, ...fields }));

  function receive({ data }) {
    if (typeof data !== "string") {
      const frame = parseFrame(data);
      if (frame.epoch >= epoch) onFrame(frame);
      return;
    }
    const event = JSON.parse(data);
    if (event.type.startsWith("segment") && event.epoch < epoch) return;
    if (event.type === "hello") tell("start", { avatar, sample_rate: sampleRate, pace, idle, quality });
    if (event.type === "started") resolve(event);
    if (event.type === "cleared") epoch = Math.max(epoch, event.epoch);
    if (event.type === "error") reject((failure = new LipstreamError(event)));
    onEvent(event);
  }

  socket.addEventListener("message", (message) => {
    try {
      receive(message);
    } catch (error) {
      onEvent({ type: "error", code: error.code ?? "bad_frame", message: error.message, retryable: false });
    }
  });
  socket.addEventListener("close", ({ code, reason }) => {
    reject(failure);
    onClose({ code, reason, expected: closing });
  });

  return {
    /** @type {Promise<Started>} */
    started,
    /** Bytes that wait in this browser for the network. */
    get bufferedBytes() {
      return socket.bufferedAmount;
    },
    /** @param {Int16Array} pcm mono, at the session's rate; typed arrays are little endian wherever browsers run */
    sendAudio: (pcm) => send(pcm),
    /** @param {number} template index that the next segment's first frame shall have */
    begin: (template) => tell("begin", { template }),
    flush: () => tell("flush"),
    /** Barge-in. What is on its way is void from this moment on, not from the server's answer. */
    clear() {
      epoch += 1;
      tell("clear");
    },
    /** Flushes, delivers the rest, closes. */
    end() {
      closing = true;
      tell("end");
    },
    /** Closes at once. */
    close() {
      closing = true;
      socket.close(1000);
    },
  };
}

function deferred() {
  let resolve;
  let reject;
  const promise = new Promise((yes, no) => ([resolve, reject] = [yes, no]));
  // The caller may watch `onClose` alone; then a failure is not an unhandled one.
  promise.catch(() => {});
  return { promise, resolve, reject };
}
