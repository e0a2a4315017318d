import { SourceError } from "./trouble.js";

const TROUBLE = {
  NotAllowedError: "The microphone is blocked for this page. Allow it in the address bar, then press Play again.",
  NotFoundError: "No microphone was found. Plug one in, or use the sample or a file.",
  NotReadableError: "Another program is using the microphone.",
  OverconstrainedError: "That microphone is not there any more. Choose another one.",
};
const CLEAN = { channelCount: 1, echoCancellation: true, noiseSuppression: true, autoGainControl: true };

/**
 * Opens a microphone.
 * @param {string} deviceId "" for the one that the browser prefers
 * @param {() => void} onLost the device went away
 * @returns {Promise<{stream: MediaStream, setMuted: (muted: boolean) => void, close: () => void}>}
 */
export async function openMicrophone(deviceId, onLost) {
  if (!navigator.mediaDevices?.getUserMedia) {
    throw new SourceError("Browsers open the microphone only over https or on localhost.");
  }
  const wanted = deviceId ? { ...CLEAN, deviceId: { exact: deviceId } } : CLEAN;
  const stream = await navigator.mediaDevices.getUserMedia({ audio: wanted }).catch((error) => {
    throw new SourceError(TROUBLE[error.name] ?? `The microphone did not open: ${error.message}`);
  });
  const [track] = stream.getAudioTracks();
  track.onended = onLost;
  return {
    stream,
    setMuted: (muted) => (track.enabled = !muted),
    close() {
      track.onended = null;
      stream.getTracks().forEach((one) => one.stop());
    },
  };
}

/**
 * The microphones of this machine; without names until one has been opened.
 * @returns {Promise<{id: string, name: string}[]>}
 */
export async function microphones() {
  const devices = (await navigator.mediaDevices?.enumerateDevices()) ?? [];
  return devices
    .filter(({ kind, deviceId, label }) => kind === "audioinput" && deviceId && label)
    .map(({ deviceId, label }) => ({ id: deviceId, name: label }));
}
