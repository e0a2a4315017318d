import { explain, explainMissing } from "./messages.js";
import * as ui from "./ui.js";
import { hint, wordsFor } from "./words.js";

/** Frames that have not come by then are worth a question to the server. */
const SLOW_START_MS = 4000;
/** Else there is nothing to cut off. */
const CAN_INTERRUPT = ["opening", "waiting", "heard", "closing"];

/**
 * Keeps the page true: what the session and the turn do, in words, colours and buttons.
 * @param {object} parts
 * @param {ReturnType<import("./meter.js").createMeter>} parts.meter
 * @param {ReturnType<import("../turn.js").createTurns>} parts.turns
 * @param {() => {source: string, file: File | null}} parts.wish
 */
export function createStatus({ meter, turns, wish }) {
  let isUp = false;
  let isLoading = false;
  let patience = 0;

  function refresh() {
    ui.setButtons({
      canPlay: isUp && !isLoading,
      isPlaying: turns.phase !== "over",
      canInterrupt: CAN_INTERRUPT.includes(turns.phase),
      playText: wish().source === "conversation" ? "Talk" : "Play",
    });
  }

  function rest() {
    ui.setState(isUp ? "idle" : "connecting");
    ui.say(hint(wish().source, wish().file));
    refresh();
  }

  function up() {
    isUp = true;
    ui.setLink("up", "Connected");
    if (turns.phase === "over") rest();
    else ui.say("Connected again.");
  }

  function down({ code, message, wait_ms, attempt }) {
    isUp = false;
    ui.setLink("down", wait_ms < 1000 ? "Connecting again" : `Trying again in ${Math.round(wait_ms / 1000)} s`);
    if (turns.phase === "over") ui.setState("connecting");
    if (attempt > 2) ui.say(explain({ code, message }), "trouble");
    else if (turns.phase !== "over") ui.say("The connection was lost. The speech goes on when it is back.", "trouble");
    refresh();
  }

  /** What went wrong; while a turn goes on it goes on, and so does its state. */
  function tell(error) {
    meter.error(error);
    if (turns.phase === "over") ui.setState("error");
    ui.say(error.code ? explain(error) : error.message, "trouble");
    refresh();
  }

  async function askWhy() {
    const asked = patience;
    if (turns.phase !== "waiting" || !isUp) return;
    const { ready, missing } = (await (await fetch("/readyz").catch(() => null))?.json().catch(() => null)) ?? {};
    if (turns.phase !== "waiting" || asked !== patience) return;
    ui.say(ready === false ? explainMissing(missing) : "The first frames take unusually long…", "trouble");
  }

  const readers = { started: up, reconnected: up, reconnecting: down, error: tell };

  return {
    rest,
    tell,
    /** @param {{type: string}} event of the session */
    session: (event) => readers[event.type]?.(event),

    connecting() {
      isUp = false;
      ui.setLink("waiting", "Connecting");
    },
    refused(error) {
      isUp = false;
      ui.setLink("down", "Refused");
      tell(error);
    },
    loading(is) {
      isLoading = is;
      refresh();
    },

    /** @param {import("../types.js").Phase} phase */
    phase(phase) {
      clearTimeout(patience);
      if (phase === "over") return rest();
      const { state, text } = wordsFor(phase, wish().source);
      if (state) ui.setState(state);
      ui.say(text);
      if (phase === "waiting") patience = setTimeout(askWhy, SLOW_START_MS);
      refresh();
    },
  };
}
