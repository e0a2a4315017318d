import { connect } from "./lipstream.js";

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 8000;

/**
 * Keeps one session open: connects again when it drops, after waits that double.
 * @param {string} url
 * @param {object} handlers
 * @param {(frame: import("./lipstream.js").Frame) => void} handlers.onFrame
 * @param {(event: {type: string}) => void} handlers.onEvent
 * @param {(started: import("./lipstream.js").Started) => void} handlers.onUp
 * @param {(error: Error | null, waitMs: number) => void} handlers.onDown null: an open session was lost
 */
export function createLink(url, { onFrame, onEvent, onUp, onDown }) {
  let options = null;
  let session = null;
  let timer = 0;
  let waitMs = FIRST_WAIT_MS;

  function open() {
    let isUp = false;
    const current = connect(url, {
      ...options,
      onFrame: (frame) => current === session && onFrame(frame),
      onEvent: (event) => current === session && onEvent(event),
      onClose: () => current === session && lost(isUp),
    });
    session = current;
    current.started.then(
      (started) => {
        if (current !== session) return;
        isUp = true;
        waitMs = FIRST_WAIT_MS;
        onUp(started);
      },
      (error) => {
        if (current !== session) return;
        // A refused `start` leaves the socket open; it is closed, and tried again later like any other failure.
        onDown(error, waitMs);
        current.close();
      },
    );
  }

  function lost(wasUp) {
    if (wasUp) onDown(null, waitMs);
    session = null;
    timer = setTimeout(open, waitMs);
    waitMs = Math.min(2 * waitMs, LONGEST_WAIT_MS);
  }

  function close() {
    clearTimeout(timer);
    const last = session;
    session = null;
    last?.close();
  }

  return {
    /** The session, or null while there is none. */
    get session() {
      return session;
    },
    /** Opens a session with these options, in place of one with others. @returns {boolean} whether it had to */
    use(wanted) {
      if (session && options.avatar === wanted.avatar && options.pace === wanted.pace) return false;
      close();
      options = wanted;
      open();
      return true;
    },
    close,
  };
}
