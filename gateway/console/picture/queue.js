/**
 * @typedef {object} Turn a segment on its way to the screen
 * @property {number} first number of its first frame
 * @property {number} template index of its first frame's template
 * @property {number | null} count its frames; null while it goes on
 * @property {import("../sound/voices.js").Voice | null} voice what is heard with it; null when the speaker is the microphone
 * @property {boolean} goesOn the voice is the one of the turn before, which an avatar switch cut in two
 * @property {number | null} originS clock time at which its first frame is due; null before it starts
 */

/** The segments that are to be shown, in order, and the voices that are heard with them. */
export function createQueue() {
  /** @type {Turn[]} */
  let turns = [];
  let voices = [];
  let splits = false;
  let last = null;

  return {
    /** @returns {Turn | undefined} */
    get head() {
      return turns[0];
    },
    /** Whether the head's voice goes on behind it. */
    get isCut() {
      return turns[1] ? turns[1].goesOn : splits;
    },
    /** Whether something is shown, or announced. */
    get isBusy() {
      return turns.length > 0 || voices.length > 0 || splits;
    },

    /** What is heard with the next segment. */
    expect: (voice) => voices.push(voice),
    /** The open segment will end here, and the next one take its voice over. */
    split: () => (splits = true),

    segment({ first_frame, template }) {
      const goesOn = splits && voices.length === 0;
      const voice = goesOn ? last : (voices.shift() ?? null);
      turns.push({ first: first_frame, template, count: null, voice, goesOn: goesOn && voice !== null, originS: null });
      [last, splits] = [voice, false];
    },
    segmentEnd({ first_frame, frames }) {
      const turn = turns.find(({ first }) => first === first_frame);
      if (turn) turn.count = frames;
    },
    shift: () => turns.shift(),
    clear: () => ([turns, voices, splits, last] = [[], [], false, null]),
  };
}
