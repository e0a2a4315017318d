/**
 * A server's message in the application's numbers: each connection counts from 0, the application counts on.
 * @param {{type: string, [field: string]: any}} event
 * @param {{epoch: number, frame: number, segment: number}} shift what the connection's numbers lack
 */
export function shifted(event, { epoch, frame, segment }) {
  const moved = { ...event };
  for (const [field, by] of Object.entries({ epoch, segment, first_frame: frame, next_frame: frame })) {
    if (typeof event[field] === "number") moved[field] += by;
  }
  return moved;
}
