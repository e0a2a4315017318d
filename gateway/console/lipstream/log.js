/**
 * What has been said and may have to be said again, counted as the server counts it. No socket, no clock.
 *
 * A server that resumes a session names the place from which it lacks something: samples of audio, and commands, which
 * are `begin`, `flush` and `switch`. What waits for a connection has no place yet; it gets one when it is taken.
 *
 * @typedef {object} Item
 * @property {"audio" | "begin" | "flush" | "switch" | "clear" | "end"} type
 * @property {Int16Array} [pcm] of audio
 * @property {object} [fields] of a message
 * @property {number} [epoch] that a `clear` begins
 * @property {number} [at] samples that were sent before it
 * @property {number} [number] of a command, from 1; of a `clear`, commands that were sent before it
 *
 * @typedef {{audio: number, commands: number}} Place
 */

const COMMANDS = ["begin", "flush", "switch"];
/** What a barge-in does not void. */
const HELD = ["switch", "end", "clear"];

const isClear = ({ type }) => type === "clear";
const isHeld = ({ type }) => HELD.includes(type);
const samplesOf = (items) => items.reduce((sum, { pcm }) => sum + (pcm?.length ?? 0), 0);

/** @param {{avatar: string}} options who speaks at first */
export function createLog({ avatar }) {
  /** @type {Item[]} */
  let sent = [];
  /** @type {Item[]} */
  let waiting = [];
  /** @type {Place} */
  let place = { audio: 0, commands: 0 };
  /** Sample up to which frames have come. */
  let came = 0;

  function keep(isWanted) {
    for (const { fields } of sent.filter((item) => item.type === "switch" && !isWanted(item))) avatar = fields.avatar;
    sent = sent.filter(isWanted);
  }

  /** The place is one where the server ended an utterance at a pause; a faster telling needs a word there. */
  function markPause(sample) {
    const index = sent.findIndex(({ type, at }) => type === "audio" && at >= sample);
    if (index > 0 && sent[index - 1].type === "audio") sent.splice(index, 0, { type: "flush", fields: {}, at: sample, number: Infinity });
  }

  function goBack(from, to = from) {
    keep(({ type, at, number, pcm }) => {
      if (type === "audio") return at + pcm.length > from.audio;
      return !COMMANDS.includes(type) || number > from.commands;
    });
    for (const item of sent) {
      if (item.type === "audio" && item.at < from.audio) item.pcm = item.pcm.subarray(from.audio - item.at);
    }
    const again = [...sent, ...waiting];
    waiting = [...again.filter(isClear), ...again.filter((item) => !isClear(item))];
    sent = [];
    place = { audio: to.audio, commands: to.commands };
    came = Math.min(came, to.audio);
  }

  return {
    /** Who speaks where the log begins. */
    get avatar() {
      return avatar;
    },
    /** Samples that wait to be sent. */
    get waitingSamples() {
      return samplesOf(waiting);
    },

    /** @param {Int16Array} pcm is copied */
    audio: (pcm) => waiting.push({ type: "audio", pcm: pcm.slice() }),
    /** @param {Item["type"]} type @param {object} [fields] */
    say: (type, fields = {}) => waiting.push({ type, fields }),

    /** A barge-in voids what was said before it, but no change of avatar, nor the end. */
    clear(epoch, fields) {
      sent = sent.filter(isHeld);
      waiting = [...waiting.filter(isHeld), { type: "clear", epoch, fields }];
    },

    /** What waits, to be sent now. @returns {Item[]} */
    take() {
      const taken = waiting;
      waiting = [];
      for (const item of taken) {
        item.at = place.audio;
        place.audio += item.pcm?.length ?? 0;
        if (COMMANDS.includes(item.type)) place.commands += 1;
        item.number = place.commands;
      }
      sent.push(...taken);
      return taken;
    },

    /** The server knows of the barge-ins up to this epoch; the changes of avatar that it held are the last it counted. */
    confirm(epoch) {
      const isKnown = (item) => isClear(item) && item.epoch <= epoch;
      const last = sent.findLastIndex(isKnown);
      const held = sent.slice(0, Math.max(0, last)).filter(({ type }) => type === "switch");
      held.forEach((item, k) => (item.number = sent[last].number - held.length + 1 + k));
      sent = sent.filter((item) => !isKnown(item));
      waiting = waiting.filter((item) => !isKnown(item));
    },

    /**
     * A frame has come.
     * @param {number} sample behind its own
     * @param {number} begun the first of its utterance: the commands up to there are in effect
     * @param {number} margin samples before `sample` that the next frame may need again
     */
    forget(sample, begun, margin) {
      came = sample;
      const needed = Math.max(begun, sample - margin);
      keep(({ type, at, pcm }) => (type === "audio" ? at + pcm.length > needed : !COMMANDS.includes(type) || at > begun));
    },

    /** The last frame of an utterance has come, and the word of its end; its frames reach to `sample`. */
    ended(sample) {
      const index = sent.findIndex(({ type }) => type !== "audio" && type !== "begin");
      const isItsEnd = sent[index]?.type === "flush" && sent[index].at <= sample;
      came = isItsEnd ? sent[index].at : sample;
      if (isItsEnd) sent.splice(0, index + 1);
    },

    /** @param {number} limit samples that may wait; of more the oldest go, which were never counted */
    trim(limit) {
      let excess = samplesOf(waiting) - limit;
      waiting = waiting.filter(({ pcm }) => {
        const goes = pcm !== undefined && excess > 0;
        if (goes) excess -= pcm.length;
        return !goes;
      });
    },

    /** A server goes on, and lacks what was said after a place. @param {Place} from */
    goBack: (from) => goBack(from),

    /**
     * A server begins anew: all of which no frame has come is to be said.
     * @param {Place} to where it begins to count
     * @param {number | null} template index under the first frame of an utterance that goes on
     * @param {number[]} [pauses] samples where later utterances began
     */
    beginAgain(to, template, pauses = []) {
      pauses.forEach(markPause);
      goBack({ audio: came, commands: 0 }, to);
      if (template !== null) waiting.unshift({ type: "begin", fields: { template } });
    },
  };
}
