/** The words that a turn and its sources share; for readers and editors, nothing runs here. */

/**
 * @typedef {"opening" | "open" | "waiting" | "heard" | "closing" | "over"} Phase
 * opening: the file is read, or the microphone asked for; open: a live source listens, the face is at rest; waiting:
 * sound is on its way, no frame is shown yet; heard: the face speaks; closing: the microphone is shut, its last words
 * are still to come; over: nothing goes on.
 *
 * @typedef {object} Source where speech comes from
 * @property {boolean} isLive whether it goes on until it is stopped
 * @property {(io: object) => Promise<Handle>} open
 *
 * @typedef {object} Handle an open source
 * @property {() => void} close
 * @property {(event: {segment: number}) => void} [segment] the server has begun the next utterance
 * @property {() => void} [cut] what it said has been cut off
 * @property {(event: {segment: number | null, position_ms: number | null}) => void} [cleared] so much of it was shown
 * @property {() => number} [level] loudness of the microphone now, 0 to 1
 * @property {(muted: boolean) => void} [setMuted]
 */

export {};
