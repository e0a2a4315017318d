import { createResampler } from "./resampler.js";
import { toPcm16 } from "./pcm.js";

const BLOCK_FRAMES = 128;

/**
 * Cuts what is heard into chunks: PCM16 for the wire, and the samples as they are for the ear. Silence is sound too:
 * nothing is left out.
 */
class Capture extends AudioWorkletProcessor {
  constructor({ processorOptions: { rateHz, chunkSamples } }) {
    super();
    this.chunkSamples = chunkSamples;
    this.resample = createResampler(sampleRate, rateHz);
    this.pending = [];
    this.heard = [];
  }

  process([channels]) {
    const block = channels[0] ?? new Float32Array(BLOCK_FRAMES);
    this.heard.push(block.slice());
    this.pending.push(...this.resample(block));
    while (this.pending.length >= this.chunkSamples) this.post();
    return true;
  }

  post() {
    const pcm = toPcm16(this.pending.splice(0, this.chunkSamples));
    const samples = new Float32Array(this.heard.length * BLOCK_FRAMES);
    this.heard.splice(0).forEach((block, k) => samples.set(block, k * BLOCK_FRAMES));
    this.port.postMessage({ pcm, samples }, [pcm.buffer, samples.buffer]);
  }
}

registerProcessor("capture", Capture);
