import { PROTOCOL, parseFrame } from "./wire.js";

const PING_EVERY_MS = 10_000;
/** A server that says nothing for so long, though it was asked, is gone. */
const SILENT_MS = 25_000;
/** Says to a server that hears it after all that this client comes back. */
const SILENT = 4000;
const CUT = 1006;

/**
 * One WebSocket, from its opening to its close. Knows nothing of what came before it.
 * @param {string} url
 * @param {object} on
 * @param {(event: {type: string}) => void} on.onEvent every JSON message
 * @param {(frame: import("./wire.js").Frame) => void} on.onFrame
 * @param {(close: {code: number, reason: string, fault: object | null}) => void} on.onClose once; `fault`: the `error`
 *   that was the server's last word
 */
export function openSocket(url, { onEvent, onFrame, onClose }) {
  const socket = new WebSocket(url, PROTOCOL);
  socket.binaryType = "arraybuffer";
  let fault = null;
  let isClosed = false;
  let heardMs = performance.now();

  const send = (data) => socket.readyState === WebSocket.OPEN && socket.send(data);
  const tell = (type, fields = {}) => send(JSON.stringify({ type, ...fields }));

  function receive(data) {
    // What may be tried again is why the server closes; only when it does not is it an error of its own.
    if (fault?.retryable) onEvent(fault);
    fault = null;
    if (typeof data !== "string") return onFrame(parseFrame(data));
    const event = JSON.parse(data);
    if (event.type === "error") fault = event;
    if (event.type !== "pong" && !fault?.retryable) onEvent(event);
  }

  function finish(code, reason) {
    if (isClosed) return;
    isClosed = true;
    clearInterval(pulse);
    onClose({ code, reason, fault });
  }

  const pulse = setInterval(() => {
    tell("ping");
    if (performance.now() - heardMs < SILENT_MS) return;
    // The browser waits for the answer of a server that gives none.
    socket.close(SILENT);
    finish(CUT, "the server is silent");
  }, PING_EVERY_MS);

  socket.addEventListener("message", ({ data }) => {
    heardMs = performance.now();
    if (isClosed) return;
    try {
      receive(data);
    } catch (error) {
      onEvent({ type: "error", code: error.code ?? "bad_frame", message: error.message, retryable: false });
    }
  });
  socket.addEventListener("close", ({ code, reason }) => finish(code, reason));

  return {
    send,
    tell,
    get bufferedBytes() {
      return socket.bufferedAmount;
    },
    close: () => socket.close(1000),
  };
}
