import { microphones } from "../sound/microphone.js";
import { lasting } from "../storage.js";

const $ = (id) => document.getElementById(id);
const STORE = "lipstream.microphone";
/** A voice at arm's length is some -20 dB; below -60 dB is nothing. */
const FLOOR_DB = -60;

/**
 * Which microphone, how loud, muted or not.
 * @param {object} on
 * @param {() => void} on.onDevice another one has been chosen
 * @param {(muted: boolean) => void} on.onMute
 */
export function createMicrophonePanel({ onDevice, onMute }) {
  let muted = false;
  $("device").addEventListener("change", ({ target }) => {
    lasting.write(STORE, target.value);
    onDevice();
  });
  $("mute").addEventListener("click", toggle);
  navigator.mediaDevices?.addEventListener("devicechange", list);

  function toggle() {
    if ($("microphone").hidden) return;
    muted = !muted;
    $("mute").setAttribute("aria-pressed", String(muted));
    onMute(muted);
  }

  async function list() {
    const found = await microphones();
    $("device").replaceChildren(
      new Option("The browser's choice", ""),
      ...found.filter(({ id }) => id !== "default").map(({ id, name }) => new Option(name, id)),
    );
    const chosen = lasting.read(STORE) ?? "";
    $("device").value = found.some(({ id }) => id === chosen) ? chosen : "";
    $("device").disabled = found.length === 0;
  }
  list();

  return {
    /** The device that was chosen before; "" for none. */
    get deviceId() {
      return $("device").value;
    },
    get isMuted() {
      return muted;
    },
    list,
    toggle,
    visible: (is) => ($("microphone").hidden = !is),
    /** @param {number} level 0 to 1, a root mean square */
    level(level) {
      const share = muted || level === 0 ? 0 : Math.max(0, 1 - (20 * Math.log10(level)) / FLOOR_DB);
      $("level").style.transform = `scaleX(${share.toFixed(3)})`;
      // In coarse steps: who listens to it wants to know whether it is heard, not sixteen numbers a second.
      $("level-meter").setAttribute("aria-valuenow", String(Math.round(share * 10) * 10));
    },
  };
}
