/** The sound that goes out: PCM16, mono, 24 kHz, 40 ms a chunk. */

export const RATE_HZ = 24_000;
export const CHUNK_S = 0.04;
export const CHUNK_SAMPLES = RATE_HZ * CHUNK_S;

/**
 * Float samples as PCM16, clipped at full scale.
 * @param {ArrayLike<number>} samples within -1 to 1
 */
export function toPcm16(samples) {
  return Int16Array.from(samples, (sample) => Math.round(Math.max(-1, Math.min(1, sample)) * 32767));
}

/**
 * How loud a chunk is: the root of its mean square, 0 to 1.
 * @param {Int16Array} pcm
 */
export function loudness(pcm) {
  const power = pcm.reduce((sum, sample) => sum + sample * sample, 0) / pcm.length;
  return Math.sqrt(power) / 32768;
}
