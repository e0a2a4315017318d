const $ = (id) => document.getElementById(id);

/** The page's elements, and how they look in each state. Knows no network and no sound. */
export const canvas = $("screen");
export const video = $("idle");

/** @param {"idle" | "connecting" | "listening" | "speaking" | "error"} state */
export function setState(state) {
  document.documentElement.dataset.state = state;
}

/** @param {"up" | "waiting" | "down"} link */
export function setLink(link, text) {
  $("link").dataset.link = link;
  $("link-text").textContent = text;
}

/** A line of help; `trouble` is for what failed. */
export function say(text, kind = "hint") {
  $("hint").dataset.kind = kind;
  $("hint").textContent = text;
}

/** @param {{canPlay: boolean, isPlaying: boolean, canInterrupt: boolean, playText: string}} what */
export function setButtons({ canPlay, isPlaying, canInterrupt, playText }) {
  $("play").disabled = !canPlay && !isPlaying;
  $("play").dataset.action = isPlaying ? "stop" : "play";
  $("play-text").textContent = isPlaying ? "Stop" : playText;
  $("interrupt").disabled = !canInterrupt;
}

export function setSource(source, fileName) {
  document.querySelector(`[name=source][value=${source}]`).checked = true;
  $("file-name").textContent = fileName ?? "File";
  $("conversation").hidden = source !== "conversation";
}

/** @param {"frame" | "patch"} output */
export function setOutput(output) {
  document.querySelector(`[name=output][value=${output}]`).checked = true;
}

export function setName({ title, name }) {
  canvas.setAttribute("aria-label", `${title || name}, a talking face`);
}

export function showStage() {
  $("stage").toggleAttribute("data-ready", true);
}

/** What stands on the stage in the place of a picture; "" for nothing. */
export function sayOnStage(text) {
  $("stage-text").textContent = text;
}

/** @param {number} share 0 to 1 */
export function setProgress(share) {
  $("progress").style.transform = `scaleX(${share})`;
}

/** How much of the template has been loaded; null: nothing is being loaded. */
export function setLoading(share) {
  $("loading").hidden = share === null;
  $("loading").value = share ?? 0;
}

export const askForFile = () => $("file").click();

export function toggleHelp() {
  if ($("help").open) $("help").close();
  else $("help").showModal();
}

/**
 * @param {object} on
 * @param {() => void} on.onPlay
 * @param {() => void} on.onInterrupt
 * @param {(source: string) => void} on.onSource
 * @param {(file: File) => void} on.onFile
 * @param {(output: "frame" | "patch") => void} on.onOutput
 */
export function listen({ onPlay, onInterrupt, onSource, onFile, onOutput }) {
  $("play").addEventListener("click", onPlay);
  $("interrupt").addEventListener("click", onInterrupt);
  $("help-open").addEventListener("click", toggleHelp);
  $("help-close").addEventListener("click", toggleHelp);
  document.querySelectorAll("[name=source]").forEach((radio) => {
    radio.addEventListener("change", () => onSource(radio.value));
    // Choosing "File" again opens the dialog again.
    radio.addEventListener("click", ({ detail }) => radio.value === "file" && detail > 0 && askForFile());
  });
  document.querySelectorAll("[name=output]").forEach((radio) => radio.addEventListener("change", () => onOutput(radio.value)));
  $("file").addEventListener("change", ({ target }) => {
    if (target.files[0]) onFile(target.files[0]);
    target.value = "";
  });
}
