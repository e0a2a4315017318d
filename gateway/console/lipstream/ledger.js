/**
 * What has been said and not yet come back as frames: enough to say it again on another connection.
 *
 * Frames are counted as the application counts them, on through every connection. An utterance's audio is forgotten as
 * its frames arrive, and beyond `limitSamples` from its oldest end.
 *
 * @typedef {object} Utterance
 * @property {string} avatar
 * @property {number | null} template the index that `begin` asked for
 * @property {number | null} first number of its first frame; null until the server has said `segment`
 * @property {number} segment
 * @property {number} received frames that have come, counted from `first`
 * @property {number} skipped frames that its part on the present connection leaves out
 * @property {number} from sample at which `chunks` begins
 * @property {Int16Array[]} chunks
 * @property {"flush" | "switch" | null} end how the audio ended; null while it goes on
 */

/** @param {{limitSamples: number}} options */
export function createLedger({ limitSamples }) {
  /** @type {Utterance[]} */
  let utterances = [];
  let template = null;
  let samplesPerFrame = Infinity;
  let next = { frame: 0, segment: 0 };

  const open = () => (utterances.at(-1)?.end === null ? utterances.at(-1) : null);
  const at = (frame) => utterances.findLast(({ first }) => first !== null && first <= frame);

  function add(avatar, from = {}) {
    const made = { avatar, template, first: null, segment: -1, received: 0, skipped: 0, from: 0, chunks: [], end: null };
    template = null;
    utterances.push(Object.assign(made, from));
    return utterances.at(-1);
  }

  function drop(utterance, sample) {
    while (utterance.chunks.length && utterance.from + utterance.chunks[0].length <= sample) {
      utterance.from += utterance.chunks.shift().length;
    }
  }

  /** The server ended a live utterance at a pause, and what was said after it is another one. */
  function split(utterance, first_frame) {
    const sample = (first_frame - utterance.first) * samplesPerFrame;
    const later = { ...utterance, template: null, chunks: [...utterance.chunks] };
    drop(later, sample);
    utterance.end = "flush";
    return add(utterance.avatar, { from: later.from - sample, chunks: later.chunks });
  }

  return {
    utterances: () => utterances,
    /** Where a connection that resumes nothing begins to count. */
    next: () => next,
    at,
    numbered: (segment) => utterances.find((one) => one.segment === segment),
    begin: (index) => (template = index),

    /** @param {number} atHz @param {number} samples in a frame, at 16 kHz */
    rate: (atHz, samples) => (samplesPerFrame = (samples * atHz) / 16_000),

    audio(pcm, avatar) {
      const utterance = open() ?? add(avatar);
      utterance.chunks.push(pcm);
      const held = utterance.chunks.reduce((sum, { length }) => sum + length, 0);
      if (held > limitSamples) drop(utterance, utterance.from + held - limitSamples);
    },
    flush: (avatar) => ((open() ?? add(avatar)).end = "flush"),
    switched: () => open() && (open().end = "switch"),

    segment({ first_frame, segment, template: index }) {
      const waiting = utterances.find(({ first }) => first === null) ?? (open() && split(open(), first_frame));
      if (waiting) Object.assign(waiting, { first: first_frame, segment, template: index });
      next = { frame: Math.max(next.frame, first_frame), segment: Math.max(next.segment, segment + 1) };
    },
    frame({ frame }) {
      const utterance = at(frame);
      next.frame = Math.max(next.frame, frame + 1);
      if (!utterance) return;
      utterance.received = Math.max(utterance.received, frame - utterance.first + 1);
      drop(utterance, utterance.received * samplesPerFrame);
    },
    ended({ segment }) {
      utterances = utterances.filter((one) => one.segment !== segment);
    },
    clear() {
      utterances = [];
      template = null;
    },
    skipTo: (frame) => (next.frame = Math.max(next.frame, frame)),

    /**
     * What is to be said again, in order: for each utterance where it goes on and the audio from there.
     * @returns {{utterance: Utterance, pcm: Int16Array[]}[]}
     */
    resume() {
      return utterances.map((utterance) => {
        // Nobody has counted the frames of an utterance that the server has not seen: it begins where its audio does.
        if (utterance.first === null) utterance.from = 0;
        const skipped = Math.max(utterance.received, Math.ceil(utterance.from / samplesPerFrame) || 0);
        utterance.skipped = skipped;
        drop(utterance, skipped * samplesPerFrame);
        const [head, ...rest] = utterance.chunks;
        const cut = skipped ? Math.max(0, skipped * samplesPerFrame - utterance.from) : 0;
        return { utterance, pcm: head ? [head.subarray(cut), ...rest].filter(({ length }) => length) : [] };
      });
    },
  };
}
