const FIRST_MS = 100;
/** While the outage is young a try costs little, and the first second after the server's return matters. */
const YOUNG_MS = 60_000;
const YOUNG_MOST_MS = 250;
const OLD_MOST_MS = 5_000;
const FULL_MS = 2_000;

/**
 * How long to wait before connecting again, milliseconds; a little random, so that clients do not come all at once.
 * @param {number} attempt counts from 0
 * @param {number} outageMs since the connection was lost
 * @param {string} code of the last error; a full server is left alone for longer
 */
export function waitMs(attempt, outageMs, code) {
  const most = outageMs < YOUNG_MS ? YOUNG_MOST_MS : OLD_MOST_MS;
  const wait = code === "at_capacity" ? FULL_MS : Math.min(most, FIRST_MS * 2 ** attempt);
  return wait * (0.8 + 0.4 * Math.random());
}
