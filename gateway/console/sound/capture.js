import { CHUNK_SAMPLES, RATE_HZ } from "./pcm.js";

/**
 * Listens to a stream, chunk by chunk. The context is one of its own: the clock of the loudspeaker may pause, ears not.
 * @param {MediaStream} stream
 * @param {(chunk: {pcm: Int16Array, samples: Float32Array}) => void} onChunk `pcm`: 40 ms at 24 kHz for the wire;
 *   `samples`: the same time, nearly, at `rateHz` for the ear
 * @returns {Promise<{rateHz: number, close: () => void}>}
 */
export async function capture(stream, onChunk) {
  const context = new AudioContext({ latencyHint: "interactive" });
  await Promise.all([context.audioWorklet.addModule("/sound/capture-worklet.js"), context.resume()]);
  const source = new MediaStreamAudioSourceNode(context, { mediaStream: stream });
  const node = new AudioWorkletNode(context, "capture", {
    channelCount: 1,
    channelCountMode: "explicit",
    processorOptions: { rateHz: RATE_HZ, chunkSamples: CHUNK_SAMPLES },
  });
  node.port.onmessage = ({ data }) => onChunk(data);
  // A node that leads nowhere may never run; this one's output is silence.
  source.connect(node).connect(context.destination);
  return {
    rateHz: context.sampleRate,
    close() {
      node.port.onmessage = null;
      context.close();
    },
  };
}
