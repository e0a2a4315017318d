/**
 * `lipstream.v1` for browsers: speech goes out, frames come in. Needs nothing else of the console.
 *
 *     import { connect, decodePicture } from "/lipstream.js";
 *
 *     const session = connect("ws://127.0.0.1:3000/ws", {
 *       onEvent: (event) => console.log(event.type, event),
 *       onFrame: async (frame) => screen.drawImage(await decodePicture(frame), frame.bounds[0], frame.bounds[1]),
 *     });
 *     await session.started;
 *     session.sendAudio(pcm);  // Int16Array, mono, any length
 *     session.flush();
 *
 * A connection that drops is followed by another, which resumes the session: see `lipstream/session.js`.
 */

export { connect } from "./lipstream/session.js";
export { FLAG, LipstreamError, PROTOCOL, decodePicture, parseFrame } from "./lipstream/wire.js";

/**
 * @typedef {object} Options
 * @property {string} [avatar]
 * @property {number} [sampleRate] Hz, 8000 to 48000
 * @property {"live" | "lossless"} [pace]
 * @property {"client" | "server"} [idle]
 * @property {"frame" | "patch"} [output] whole pictures, or only what differs from the template frame
 * @property {number} [quality] of the JPEGs: 60, 75, 85 or 95
 * @property {string} [token] API key or session token, where the server wants one
 * @property {number} [resendS] most seconds of audio that are said after an outage, the newest; default: all. What is
 *   left out is missing in the speech, which is then no later than that
 * @property {(frame: import("./lipstream/wire.js").Frame) => void} [onFrame]
 * @property {(event: {type: string, [field: string]: any}) => void} [onEvent] every JSON message of the server, once, and
 *   `reconnecting {attempt, wait_ms, code, message}`, `reconnected {outage_ms, resent_ms, session, anew}`; `anew`: the
 *   server had lost the session, or what it had made, and began anew where the last frame was. Numbers count on even so
 * @property {(close: {code: number, reason: string, error: import("./lipstream/wire.js").LipstreamError | null}) => void} [onClose] called once, when
 *   no connection will be tried any more; `error` is null after `end` and `close`
 */
