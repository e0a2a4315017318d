/** Where every session begins. */
export const BEGINNING = { epoch: 0, next_frame: 0, segment: 0, audio: 0, commands: 0 };

/**
 * The application's numbers and the server's. They differ only after a server has begun anew: it counts from a
 * beginning of its own, the application counts on.
 */
export function createNumbers() {
  let by = { epoch: 0, frame: 0, segment: 0 };
  /** The epoch with which the server began, and what its first segment is here. */
  let begun = { epoch: 0, segment: 0 };
  let frameUs = 40_000;

  return {
    /**
     * @param {{epoch: number, next_frame: number, segment?: number}} there where the server begins; without `segment` its
     *   next one will tell
     * @param {{epoch: number, frame: number, segment: number}} here what that is for the application
     * @param {number} fps
     */
    begin(there, here, fps) {
      by = { epoch: here.epoch - there.epoch, frame: here.frame - there.next_frame, segment: here.segment - there.segment };
      begun = { epoch: there.epoch, segment: here.segment };
      frameUs = 1_000_000 / fps;
    },

    /** Whether an event is of the time before the server began. */
    isOld: ({ type, epoch }) => epoch < begun.epoch || (type === "cleared" && epoch === begun.epoch),

    /** A server's event as the application's. */
    event(event) {
      if (event.type === "segment" && Number.isNaN(by.segment)) by.segment = begun.segment - event.segment;
      const moved = { ...event };
      const shifts = { epoch: by.epoch, segment: by.segment, first_frame: by.frame, next_frame: by.frame };
      for (const [field, shift] of Object.entries(shifts)) {
        if (typeof event[field] === "number" && !Number.isNaN(shift)) moved[field] += shift;
      }
      return moved;
    },

    /** A server's frame as the application's. */
    frame: (frame) => ({
      ...frame,
      epoch: frame.epoch + by.epoch,
      frame: frame.frame + by.frame,
      ptsUs: frame.ptsUs + by.frame * frameUs,
    }),

    epoch: (epoch) => epoch + by.epoch,
    epochThere: (epoch) => epoch - by.epoch,
    /** @returns {number | undefined} undefined of a frame that the server has never had */
    frameThere: (frame) => (frame >= by.frame ? frame - by.frame : undefined),
  };
}
