/** What the page says, and how it looks, in each phase of a turn. */

const HINTS = {
  sample: "A short recording. Press Play, and watch the mouth follow.",
  file: "Choose a recording, or drop one anywhere on this page.",
  microphone: "Press Play and speak. The face says what you say; you will not hear yourself.",
  conversation: "Press Talk and ask something. Speak whenever you like; it listens while it talks.",
};

/** @param {string} source @param {File | null} file */
export const hint = (source, file) => (source === "file" && file ? `Ready to say “${file.name}”.` : HINTS[source]);

/**
 * @param {import("../types.js").Phase} phase
 * @param {string} source
 * @returns {{state: string | null, text: string}} `state` of the page; null leaves it
 */
export function wordsFor(phase, source) {
  const [isTalk, isLive] = [source === "conversation", source === "microphone" || source === "conversation"];
  const opening = isTalk ? "Calling…" : isLive ? "Opening the microphone…" : "Reading the recording…";
  const heard = isTalk ? "Just speak to interrupt." : isLive ? "Listening. Press Stop when you are done." : "Press Interrupt, and the mouth closes at once.";
  return {
    opening: { state: "connecting", text: opening },
    waiting: { state: null, text: "Waiting for the first frames…" },
    heard: { state: "speaking", text: heard },
    open: { state: "listening", text: isTalk ? "Listening. Say something." : "Listening. The microphone is open." },
    closing: { state: null, text: "Saying the last words…" },
  }[phase];
}
