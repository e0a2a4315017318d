/**
 * Float samples as PCM16, clipped at full scale.
 * @param {ArrayLike<number>} samples within -1 to 1
 */
export function toPcm16(samples) {
  return Int16Array.from(samples, (sample) => Math.round(Math.max(-1, Math.min(1, sample)) * 32767));
}
