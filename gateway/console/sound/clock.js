/**
 * The one clock of sound and picture: the AudioContext's time, corrected by the delay of the loudspeaker.
 * Pausing it pauses the sound and, with it, everything that is shown.
 */
export function createClock() {
  const context = new AudioContext({ latencyHint: "interactive" });
  const latencyS = () => context.outputLatency || context.baseLatency || 0;
  let isWanted = true;
  let settled = Promise.resolve();

  /** One after the other: a Chromium that is to pause while it is still resuming says `running` and stands for ever. */
  function settle(wanted) {
    isWanted = wanted;
    const next = () => (isWanted ? context.resume() : context.suspend());
    return (settled = settled.then(next, next));
  }

  return {
    context,
    /** Context time of the sample that is heard now, in seconds. */
    heardS: () => context.currentTime - latencyS(),
    pause: () => settle(false),
    resume: () => settle(true),
    close: () => context.close(),
    /** Context time at which a sound that is to be heard `delayS` from now must start. */
    startS: (delayS) => context.currentTime + Math.max(0.02, delayS - latencyS()),
  };
}
