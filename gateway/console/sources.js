/** Where the speech comes from: a recording, sent ahead of what is heard, or the microphone, sent as it comes. */

import { toPcm16 } from "./pcm.js";

export const RATE_HZ = 24_000;
export const CHUNK_S = 0.04;
const CHUNK_SAMPLES = RATE_HZ * CHUNK_S;
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

/** A source cannot be used; the message is for people. */
export class SourceError extends Error {}

/**
 * Anything that the browser can decode, for the ear and for the wire.
 * @param {ArrayBuffer} bytes
 * @param {AudioContext} context
 * @returns {Promise<{recording: AudioBuffer, pcm: Int16Array}>} `pcm`: mono at 24 kHz
 */
export async function decodeRecording(bytes, context) {
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

/**
 * Sends a recording, chunk by chunk, about a second ahead of what is heard.
 * @param {Int16Array} pcm
 * @param {number} lookaheadS
 * @param {{send: (chunk: Int16Array) => void, heardS: () => number, bufferedBytes: () => number, onEnd: () => void}} to
 * @returns {() => void} stops it
 */
export function feedRecording(pcm, lookaheadS, { send, heardS, bufferedBytes, onEnd }) {
  let sent = 0;
  const feed = () => {
    const aheadS = lookaheadS + Math.min(AHEAD_MOST_S, AHEAD_FIRST_S + AHEAD_GROWTH * heardS());
    const until = Math.min(pcm.length, (heardS() + aheadS) * RATE_HZ);
    while (sent < until && bufferedBytes() < UNSENT_MOST_BYTES) {
      send(pcm.subarray(sent, sent + CHUNK_SAMPLES));
      sent += CHUNK_SAMPLES;
    }
    if (sent < pcm.length) return;
    clearInterval(timer);
    onEnd();
  };
  const timer = setInterval(feed, FEED_EVERY_MS);
  feed();
  return () => clearInterval(timer);
}

/**
 * Opens the microphone.
 * @param {AudioContext} context
 * @param {{send: (chunk: Int16Array) => void, onLost: () => void}} to `onLost`: the device went away
 * @returns {Promise<() => void>} closes it
 */
export async function openMicrophone(context, { send, onLost }) {
  if (!navigator.mediaDevices?.getUserMedia) {
    throw new SourceError("Browsers open the microphone only over https or on localhost.");
  }
  await context.audioWorklet.addModule("/capture-worklet.js");
  const stream = await navigator.mediaDevices
    .getUserMedia({ audio: { channelCount: 1, echoCancellation: true, noiseSuppression: true, autoGainControl: true } })
    .catch((error) => {
      throw new SourceError(MICROPHONE_TROUBLE[error.name] ?? `The microphone did not open: ${error.message}`);
    });
  const [track] = stream.getAudioTracks();
  const source = new MediaStreamAudioSourceNode(context, { mediaStream: stream });
  const capture = new AudioWorkletNode(context, "capture", {
    channelCount: 1,
    channelCountMode: "explicit",
    processorOptions: { rateHz: RATE_HZ, chunkSamples: CHUNK_SAMPLES },
  });
  capture.port.onmessage = ({ data }) => send(data);
  track.onended = onLost;
  // A node that leads nowhere may never run; this one's output is silence.
  source.connect(capture).connect(context.destination);
  return () => {
    capture.port.onmessage = null;
    track.onended = null;
    source.disconnect();
    capture.disconnect();
    stream.getTracks().forEach((one) => one.stop());
  };
}

const MICROPHONE_TROUBLE = {
  NotAllowedError: "The microphone is blocked for this page. Allow it in the address bar, then press Play again.",
  NotFoundError: "No microphone was found. Plug one in, or use the sample or a file.",
  NotReadableError: "Another program is using the microphone.",
};
