/**
 * What the server has said of the speech, in the application's numbers: which utterances there are, how far their
 * frames have come, and what is news. After an outage some of it is said again.
 *
 * @typedef {object} Utterance
 * @property {number} segment
 * @property {number} first_frame
 * @property {number} template index under its first frame
 * @property {number} audio samples before its first, as the server counts them
 * @property {number | null} frames null until it has ended
 */

import { FLAG } from "./wire.js";

/** Utterances that are remembered: those of which something may not have been shown yet. */
const KEPT = 64;

export function createHeard() {
  /** @type {Utterance[]} */
  let utterances = [];
  /** Barge-ins that the server has not answered. */
  let clears = [];
  const newest = { segment: -1, speak_started: -1, speak_ended: -1, cleared: 0 };
  const last = { frame: -1, template: 0 };
  let next = 0;
  let frameMs = 40;
  let samplesPerFrame = 960;

  const numbered = (segment) => utterances.find((one) => one.segment === segment);
  const reach = (frame) => (next = Math.max(next, frame));

  function isNews({ type, epoch, segment }) {
    const number = type === "cleared" ? epoch : segment;
    if (number <= newest[type]) return false;
    newest[type] = number;
    return true;
  }

  return {
    /** @param {{fps: number, samples_per_frame: number}} scene @param {number} rateHz of the audio */
    rate({ fps, samples_per_frame }, rateHz) {
      [frameMs, samplesPerFrame] = [1000 / fps, (samples_per_frame * rateHz) / 16_000];
    },
    get samplesPerFrame() {
      return samplesPerFrame;
    },

    /** @returns {Utterance | undefined} */
    numbered,

    /** What a server must know to go on. */
    state: () => ({ last_frame: last.frame, epoch: newest.cleared, template: last.template }),

    /** Where a server that begins anew stands: in the utterance that is under way, or behind all that were. */
    position() {
      const [goingOn, ...later] = utterances.filter(({ frames }) => frames === null);
      const pauses = later.map(({ audio }) => audio);
      if (!goingOn) return { frame: next, segment: newest.segment + 1, template: null, pauses };
      const { first_frame, segment, template } = goingOn;
      if (last.frame < first_frame) return { frame: first_frame, segment, template, pauses };
      return { frame: last.frame + 1, segment, template: last.template + 1, pauses };
    },

    /**
     * `segment`, `speak_started` or `speak_ended`.
     * @param {boolean} isVoid a barge-in came after it
     * @returns {object | null} what of it is news
     */
    take(event, isVoid) {
      const known = numbered(event.segment);
      /** Of an utterance that goes on with another server, the frames before. */
      const before = known ? event.first_frame - known.first_frame : 0;
      reach(event.first_frame);
      if (event.type === "segment" && known) known.audio = event.audio - before * samplesPerFrame;
      if (!isNews(event)) return null;
      if (event.type === "segment" && !isVoid) utterances = [...utterances.slice(-KEPT), { ...event, frames: null }];
      if (event.type !== "speak_ended") return event;
      reach(event.first_frame + event.frames);
      if (!known) return event;
      known.frames = event.frames + before;
      return { ...event, first_frame: known.first_frame, frames: known.frames, position_ms: event.position_ms + before * frameMs };
    },

    /** @returns {Utterance | null} the one that a frame belongs to; null of an idle frame */
    frame({ frame, template, flags }) {
      last.template = template;
      if (flags & FLAG.IDLE) return null;
      last.frame = frame;
      reach(frame + 1);
      return utterances.findLast(({ first_frame }) => first_frame <= frame) ?? null;
    },

    /** A barge-in; what was cut is known here, even if the server that said it is gone. */
    clear(epoch, shown) {
      const isCut = ({ first_frame, frames }) => frames === null || shown + 1 < first_frame + frames;
      const cut = shown === undefined ? null : utterances.find(isCut);
      const position = cut && { segment: cut.segment, position_ms: Math.max(0, shown + 1 - cut.first_frame) * frameMs };
      clears.push({ epoch, ...position });
      utterances = [];
    },
    /** @returns {object | null} the answer to a barge-in, unless it is known */
    cleared(event) {
      reach(event.next_frame);
      const cut = clears.find(({ epoch }) => epoch === event.epoch);
      clears = clears.filter(({ epoch }) => epoch > event.epoch);
      return isNews(event) ? { ...event, ...cut } : null;
    },
    /** The answers to the barge-ins that a server which is gone has not answered. */
    unanswered: () => clears.map((cut) => ({ type: "cleared", next_frame: next, segment: null, position_ms: null, ...cut })),
  };
}
