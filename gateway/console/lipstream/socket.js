import { LipstreamError, PROTOCOL, parseFrame } from "./wire.js";

const PING_EVERY_MS = 10_000;
/** A server that says nothing for so long, though it was asked, is gone. */
const SILENT_MS = 25_000;

/**
 * One WebSocket, from `hello` to its close. Knows nothing of what came before it.
 * @param {string} url
 * @param {object} start the fields of `start`
 * @param {object} on
 * @param {(event: {type: string}) => void} on.onEvent every JSON message
 * @param {(frame: import("./wire.js").Frame) => void} on.onFrame
 * @param {(close: {code: number, reason: string, error: LipstreamError}) => void} on.onClose once
 */
export function openSocket(url, start, { onEvent, onFrame, onClose }) {
  const socket = new WebSocket(url, PROTOCOL);
  socket.binaryType = "arraybuffer";
  let error = new LipstreamError({ code: "unreachable", message: "the server cannot be reached", retryable: true });
  let heardMs = performance.now();

  const isOpen = () => socket.readyState === WebSocket.OPEN;
  const send = (data) => isOpen() && socket.send(data);
  const tell = (type, fields = {}) => send(JSON.stringify({ type, ...fields }));

  function receive(data) {
    if (typeof data !== "string") return onFrame(parseFrame(data));
    const event = JSON.parse(data);
    if (event.type === "hello") tell("start", { v: 1, ...start });
    if (event.type === "error") error = new LipstreamError(event);
    if (event.type !== "pong") onEvent(event);
  }

  const pulse = setInterval(() => {
    if (performance.now() - heardMs > SILENT_MS) socket.close();
    tell("ping");
  }, PING_EVERY_MS);

  socket.addEventListener("message", ({ data }) => {
    heardMs = performance.now();
    try {
      receive(data);
    } catch (fault) {
      onEvent({ type: "error", code: fault.code ?? "bad_frame", message: fault.message, retryable: false });
    }
  });
  socket.addEventListener("close", ({ code, reason }) => {
    clearInterval(pulse);
    onClose({ code, reason, error });
  });

  return {
    send,
    tell,
    get bufferedBytes() {
      return socket.bufferedAmount;
    },
    close: () => socket.close(1000),
  };
}
