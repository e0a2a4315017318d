/**
 * What is heard with the face: a voice is played once, from its beginning, on the clock.
 * @typedef {object} Voice
 * @property {(delayS: number, onEnded: () => void) => {originS: number, stop: () => void}} play `delayS`: until its first
 *   sample is heard; `originS`: the clock's `heardS()` of that sample
 */

/**
 * The voice of a recording.
 * @param {ReturnType<import("./clock.js").createClock>} clock
 * @param {AudioBuffer} recording
 * @returns {Voice}
 */
export function recordedVoice(clock, recording) {
  return {
    play(delayS, onEnded) {
      const node = new AudioBufferSourceNode(clock.context, { buffer: recording });
      const originS = clock.startS(delayS);
      node.addEventListener("ended", onEnded);
      node.connect(clock.context.destination);
      node.start(originS);
      const stop = () => {
        node.removeEventListener("ended", onEnded);
        node.stop();
        node.disconnect();
      };
      return { originS, stop };
    },
  };
}

/**
 * A voice that is still being spoken: its pieces are pushed as they come, before they are due.
 * @param {ReturnType<import("./clock.js").createClock>} clock
 * @param {number} rateHz of the pieces; the context's own rate leaves no seam between them
 * @returns {Voice & {push: (samples: Float32Array) => void}}
 */
export function streamedVoice(clock, rateHz) {
  const pending = [];
  const nodes = new Set();
  let originS = null;
  let pushed = 0;

  function schedule(samples) {
    const buffer = new AudioBuffer({ length: samples.length, sampleRate: rateHz });
    buffer.copyToChannel(samples, 0);
    const node = new AudioBufferSourceNode(clock.context, { buffer });
    node.addEventListener("ended", () => nodes.delete(node));
    node.connect(clock.context.destination);
    node.start(originS + pushed / rateHz);
    nodes.add(node);
    pushed += samples.length;
  }

  return {
    push(samples) {
      if (originS === null) pending.push(samples);
      else schedule(samples);
    },
    play(delayS) {
      originS = clock.startS(delayS);
      pending.splice(0).forEach(schedule);
      const stop = () => {
        nodes.forEach((node) => {
          node.stop();
          node.disconnect();
        });
        nodes.clear();
      };
      return { originS, stop };
    },
  };
}
