import { createSparkline } from "./chart.js";

const $ = (id) => document.getElementById(id);
const whole = (value) => (value === null ? "–" : String(Math.round(value)));

/** The page's elements, and how they look in each state. Knows no network and no sound. */
export const screen = $("screen").getContext("2d", { alpha: false });
export const video = $("idle");
const pushLatency = createSparkline($("spark"));

/** @param {"idle" | "connecting" | "speaking" | "error"} state */
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
  $("help").dataset.kind = kind;
  $("help").textContent = text;
}

/** @param {{canPlay: boolean, isPlaying: boolean, canInterrupt: boolean}} what */
export function setButtons({ canPlay, isPlaying, canInterrupt }) {
  $("play").disabled = !canPlay && !isPlaying;
  $("play").dataset.action = isPlaying ? "stop" : "play";
  $("play-text").textContent = isPlaying ? "Stop" : "Play";
  $("interrupt").disabled = !canInterrupt;
}

export function setSource(source, fileName) {
  document.querySelector(`[name=source][value=${source}]`).checked = true;
  $("file-name").textContent = fileName ?? "File";
}

export function setAvatars(avatars, current) {
  $("avatar").replaceChildren(...avatars.map(({ name, title }) => new Option(title || name, name, false, name === current)));
  $("avatars").hidden = avatars.length < 2;
}

export function setSize({ width, height, title, name }) {
  Object.assign(screen.canvas, { width, height });
  screen.canvas.setAttribute("aria-label", `${title || name}, a talking face`);
}

export const showStage = () => $("stage").toggleAttribute("data-ready", true);

/** @param {number} share 0 to 1 */
export function setProgress(share) {
  $("progress").style.transform = `scaleX(${share})`;
}

/** @param {ReturnType<import("./meter.js").createMeter>["stats"]} stats */
export function showNumbers(stats, isSpeaking) {
  $("latency").textContent = whole(stats.latencyMs);
  $("fps").textContent = whole(isSpeaking ? stats.fps : null);
  $("buffered").textContent = whole(isSpeaking ? stats.bufferedMs : null);
  $("dropped").textContent = String(stats.framesDropped);
  $("concealed").textContent = String(stats.framesConcealed);
  if (isSpeaking && stats.latencyMs !== null) pushLatency(stats.latencyMs);
}

export const askForFile = () => $("file").click();

/** @param {{onPlay: () => void, onInterrupt: () => void, onSource: (source: string) => void, onFile: (file: File) => void, onAvatar: (name: string) => void}} on */
export function listen({ onPlay, onInterrupt, onSource, onFile, onAvatar }) {
  $("play").addEventListener("click", onPlay);
  $("interrupt").addEventListener("click", onInterrupt);
  $("avatar").addEventListener("change", ({ target }) => onAvatar(target.value));
  document.querySelectorAll("[name=source]").forEach((radio) => {
    radio.addEventListener("change", () => onSource(radio.value));
    // Choosing "File" again opens the dialog again.
    radio.addEventListener("click", ({ detail }) => radio.value === "file" && detail > 0 && askForFile());
  });
  $("file").addEventListener("change", ({ target }) => {
    if (target.files[0]) onFile(target.files[0]);
    target.value = "";
  });
  document.addEventListener("keydown", (event) => {
    if (event.repeat || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Escape" && !$("interrupt").disabled) onInterrupt();
    if (event.key !== " " || event.target.closest("button, select, [type=file]")) return;
    event.preventDefault();
    if (!$("play").disabled) onPlay();
  });
  listenForDrops(onFile);
}

function listenForDrops(onFile) {
  const root = document.documentElement;
  let depth = 0;
  const mark = (change) => root.toggleAttribute("data-drag", (depth = Math.max(0, depth + change)) > 0);
  root.addEventListener("dragenter", () => mark(1));
  root.addEventListener("dragleave", () => mark(-1));
  root.addEventListener("dragover", (event) => event.preventDefault());
  root.addEventListener("drop", (event) => {
    event.preventDefault();
    mark(-depth);
    if (event.dataTransfer.files[0]) onFile(event.dataTransfer.files[0]);
  });
}
