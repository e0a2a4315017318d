const LOOK_EVERY_S = 1;

/**
 * Watches how many frames are in hand. A live picture that never needed them for a second is later than it has to be.
 * @param {{most: number, keep: number}} frames more than `most`: all but `keep` can be spent
 */
export function createReserve({ most, keep }) {
  let least = Infinity;
  let sinceS = 0;
  /** @returns {number} frames that can be spent now */
  return (inHand, nowS) => {
    least = Math.min(least, inHand);
    if (nowS - sinceS < LOOK_EVERY_S) return 0;
    const spare = least > most ? least - keep : 0;
    [least, sinceS] = [Infinity, nowS];
    return spare;
  };
}
