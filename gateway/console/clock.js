/**
 * The one clock of sound and picture: the AudioContext's time, corrected by the delay of the loudspeaker.
 * Pausing it pauses the sound and, with it, everything that is shown.
 */
export function createClock() {
  const context = new AudioContext({ latencyHint: "interactive" });
  const latencyS = () => context.outputLatency || context.baseLatency || 0;

  return {
    context,
    /** Context time of the sample that is heard now, in seconds. */
    heardS: () => context.currentTime - latencyS(),
    pause: () => context.suspend(),
    resume: () => context.resume(),

    /**
     * Plays a recording so that its first sample is heard `delayS` from now.
     * @param {AudioBuffer} recording
     * @param {number} delayS
     * @param {() => void} onEnded
     * @returns {{originS: number, stop: () => void}} `originS`: `heardS()` of its first sample
     */
    play(recording, delayS, onEnded) {
      const node = new AudioBufferSourceNode(context, { buffer: recording });
      const originS = context.currentTime + Math.max(0.02, delayS - latencyS());
      node.addEventListener("ended", onEnded);
      node.connect(context.destination);
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
