const LINES_MOST = 80;

/**
 * The newest events, newest first.
 * @param {HTMLOListElement} list
 */
export function createLog(list) {
  const startedMs = performance.now();

  /** @param {string} text @param {"note" | "trouble"} [kind] */
  return function note(text, kind = "note") {
    const time = document.createElement("time");
    time.textContent = `${((performance.now() - startedMs) / 1000).toFixed(1)} s`;
    const line = document.createElement("li");
    line.dataset.kind = kind;
    line.append(time, text);
    list.prepend(line);
    while (list.children.length > LINES_MOST) list.lastChild.remove();
  };
}

const WORDS = {
  started: ({ avatar, output }) => `Session with ${avatar}, ${output === "patch" ? "mouth only" : "full picture"}`,
  segment: ({ segment }) => `Utterance ${segment} begins`,
  speak_started: ({ segment, first_frame }) => `Utterance ${segment}: first frame ${first_frame} leaves`,
  speak_ended: ({ segment, frames, concealed, interrupted }) =>
    `Utterance ${segment} ${interrupted ? "cut after" : "ends after"} ${frames} frames` + (concealed ? `, ${concealed} concealed` : ""),
  cleared: ({ position_ms }) => `Cleared` + (position_ms === null ? "" : ` at ${Math.round(position_ms)} ms`),
  switched: ({ avatar }) => `Face: ${avatar}`,
  reconnecting: ({ attempt, wait_ms }) => `Connecting again, attempt ${attempt}, in ${wait_ms} ms`,
  reconnected: ({ outage_ms, resent_ms, anew }) =>
    `Connected again after ${outage_ms} ms; ${resent_ms} ms of speech sent again` + (anew ? ", to a server that began anew" : ""),
  error: ({ code, message }) => `${code}: ${message}`,
};

/** @param {{type: string}} event of the session @returns {string | null} null: not worth a line */
export const describe = (event) => WORDS[event.type]?.(event) ?? null;
