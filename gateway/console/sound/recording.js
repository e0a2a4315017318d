/** A recording: decoded for the ear and for the wire, sent ahead of what is heard. */

import { CHUNK_SAMPLES, RATE_HZ, toPcm16 } from "./pcm.js";
import { SourceError } from "./trouble.js";
import { recordedVoice } from "./voices.js";

const LONGEST_S = 20 * 60;
const LARGEST_BYTES = 200e6;

/**
 * How far the sender runs ahead of the ear, beyond the avatar's look-ahead: little at first, so that the first frames
 * come soon, then more. Less than the player's `REFILL_FRAMES` would leave each waiting for the other.
 */
const AHEAD_FIRST_S = 0.5;
const AHEAD_MOST_S = 1.0;
const AHEAD_GROWTH = 0.25;
const UNSENT_MOST_BYTES = 256 * 1024;
const FEED_EVERY_MS = 20;

/**
 * A source that reads a recording.
 * @param {() => Promise<ArrayBuffer>} read
 * @returns {import("../types.js").Source}
 */
export function recordingSource(read) {
  return {
    isLive: false,
    async open(io) {
      const { recording, pcm } = await decode(await read(), io.clock.context);
      if (!io.isWanted()) return { close() {} };
      io.speak(recordedVoice(io.clock, recording), recording.duration);
      return { close: feed(pcm, io) };
    },
  };
}

/**
 * Anything that the browser can decode.
 * @param {ArrayBuffer} bytes
 * @param {AudioContext} context
 * @returns {Promise<{recording: AudioBuffer, pcm: Int16Array}>} `pcm`: mono at 24 kHz
 */
async function decode(bytes, context) {
  if (bytes.byteLength > LARGEST_BYTES) throw new SourceError("That file is over 200 MB. Please choose a smaller one.");
  const [recording, narrow] = await Promise.all([
    context.decodeAudioData(bytes.slice(0)),
    new OfflineAudioContext(1, 1, RATE_HZ).decodeAudioData(bytes),
  ]).catch(() => {
    throw new SourceError("That file has no sound that this browser can read. WAV, MP3, FLAC, OGG and M4A work.");
  });
  if (recording.duration > LONGEST_S) throw new SourceError("That is over 20 minutes. Please choose a shorter one.");
  return { recording, pcm: toPcm16(mixDown(narrow)) };
}

/** @param {AudioBuffer} buffer */
function mixDown(buffer) {
  const channels = Array.from({ length: buffer.numberOfChannels }, (_, k) => buffer.getChannelData(k));
  if (channels.length === 1) return channels[0];
  return channels[0].map((_, n) => channels.reduce((sum, channel) => sum + channel[n], 0) / channels.length);
}

/** Sends chunk by chunk, about a second ahead of what is heard; gives what stops it. */
function feed(pcm, { send, flush, heardS, lookaheadS, bufferedBytes }) {
  let sent = 0;
  const more = () => {
    const aheadS = lookaheadS() + Math.min(AHEAD_MOST_S, AHEAD_FIRST_S + AHEAD_GROWTH * heardS());
    const until = Math.min(pcm.length, (heardS() + aheadS) * RATE_HZ);
    while (sent < until && bufferedBytes() < UNSENT_MOST_BYTES) {
      send(pcm.subarray(sent, sent + CHUNK_SAMPLES));
      sent += CHUNK_SAMPLES;
    }
    if (sent < pcm.length) return;
    clearInterval(timer);
    flush();
  };
  const timer = setInterval(more, FEED_EVERY_MS);
  more();
  return () => clearInterval(timer);
}
