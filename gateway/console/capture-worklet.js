import { createResampler } from "./resampler.js";
import { toPcm16 } from "./pcm.js";

/** Cuts what the microphone hears into chunks of PCM16. Silence is sound too: nothing is left out. */
class Capture extends AudioWorkletProcessor {
  constructor({ processorOptions: { rateHz, chunkSamples } }) {
    super();
    this.chunkSamples = chunkSamples;
    this.resample = createResampler(sampleRate, rateHz);
    this.pending = [];
  }

  process([channels]) {
    const blockFrames = 128;
    this.pending.push(...this.resample(channels[0] ?? new Float32Array(blockFrames)));
    while (this.pending.length >= this.chunkSamples) {
      const chunk = toPcm16(this.pending.splice(0, this.chunkSamples));
      this.port.postMessage(chunk, [chunk.buffer]);
    }
    return true;
  }
}

registerProcessor("capture", Capture);
