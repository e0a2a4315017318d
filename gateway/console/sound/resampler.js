const ZERO_CROSSINGS = 16;
const STEPS = 256;

/** One side of a Hann-windowed sinc, `STEPS` values a zero crossing. */
function windowedSinc() {
  return Float32Array.from({ length: ZERO_CROSSINGS * STEPS + 2 }, (_, k) => {
    const x = k / STEPS;
    if (x === 0) return 1;
    if (x >= ZERO_CROSSINGS) return 0;
    return (Math.sin(Math.PI * x) / (Math.PI * x)) * (0.5 + 0.5 * Math.cos((Math.PI * x) / ZERO_CROSSINGS));
  });
}

/**
 * Resamples a stream of mono float samples, block by block, band-limited. The result lags by the filter's half, 0.7 ms.
 * @param {number} fromHz
 * @param {number} toHz
 * @returns {(block: Float32Array) => number[]} the samples that each block completes
 */
export function createResampler(fromHz, toHz) {
  const table = windowedSinc();
  const cutoff = Math.min(1, toHz / fromHz);
  const reach = Math.ceil(ZERO_CROSSINGS / cutoff);
  const step = fromHz / toHz;
  // `position` is where the next output sample lies in `held`, which starts with silence to reach back into.
  let held = new Float32Array(reach);
  let position = reach;

  const weight = (distance) => table[Math.round(Math.abs(distance) * cutoff * STEPS)] ?? 0;

  return (block) => {
    const input = new Float32Array(held.length + block.length);
    input.set(held);
    input.set(block, held.length);
    const output = [];
    for (; position + reach < input.length; position += step) {
      let sum = 0;
      for (let n = Math.ceil(position - reach); n <= position + reach; n++) sum += input[n] * weight(n - position);
      output.push(sum * cutoff);
    }
    const used = Math.max(0, Math.floor(position) - reach);
    held = input.slice(used);
    position -= used;
    return output;
  };
}
