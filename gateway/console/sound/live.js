import { capture } from "./capture.js";
import { openMicrophone } from "./microphone.js";
import { loudness } from "./pcm.js";

/**
 * A source that is the microphone alone: the face says what is said, and nothing is played back.
 * @param {string} deviceId
 * @returns {import("../types.js").Source}
 */
export function liveSource(deviceId) {
  return {
    isLive: true,
    async open(io) {
      const microphone = await openMicrophone(deviceId, () => io.lost("The microphone went away."));
      let level = 0;
      let isOpen = false;
      const ears = await capture(microphone.stream, ({ pcm }) => {
        level = loudness(pcm);
        if (!io.isWanted()) return;
        if (!isOpen) io.speak(null);
        isOpen = true;
        io.send(pcm);
      });
      return {
        level: () => level,
        setMuted: microphone.setMuted,
        cut: () => (isOpen = false),
        close() {
          ears.close();
          microphone.close();
        },
      };
    },
  };
}
