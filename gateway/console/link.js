import { connect } from "./lipstream.js";

/**
 * Keeps the one session that the page wants: another one when the wish changes.
 * @param {string} url
 * @param {object} on
 * @param {(frame: import("./lipstream/wire.js").Frame) => void} on.onFrame
 * @param {(event: {type: string}) => void} on.onEvent
 * @param {(error: Error) => void} on.onRefused the server wants no session like this; none will be tried again
 */
export function createLink(url, { onFrame, onEvent, onRefused }) {
  let wish = null;
  let session = null;

  function close() {
    const last = session;
    session = null;
    last?.close();
  }

  function refused(error) {
    // The same wish, expressed once more, is tried once more.
    wish = null;
    onRefused(error);
  }

  return {
    /** The session, or null while there is none. */
    get session() {
      return session;
    },

    /**
     * Opens a session like this, in place of one with other options.
     * @param {import("./lipstream.js").Options} wanted
     * @returns {boolean} whether it had to
     */
    use(wanted) {
      const next = JSON.stringify(wanted);
      if (session && next === wish) return false;
      close();
      wish = next;
      const mine = connect(url, {
        ...wanted,
        onFrame: (frame) => mine === session && onFrame(frame),
        onEvent: (event) => mine === session && onEvent(event),
        onClose: ({ error }) => mine === session && error && refused(error),
      });
      session = mine;
      return true;
    },

    /** What the session has become by a switch, so that the same wish does not open another one. */
    amend(wanted) {
      wish = JSON.stringify(wanted);
    },
    close,
  };
}
