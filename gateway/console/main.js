/** The console: brings the parts together, and says in words what goes on. */

import { createIdle } from "./idle.js";
import { createLink } from "./link.js";
import { explain, explainMissing } from "./messages.js";
import { createMeter } from "./meter.js";
import { CHUNK_S, RATE_HZ } from "./sources.js";
import { createTurns } from "./turn.js";
import * as ui from "./ui.js";

const HINTS = {
  sample: "A short recording. Press Play, and watch the mouth follow.",
  file: "Choose a recording, or drop one anywhere on this page.",
  microphone: "Press Play and speak. The face says what you say; you will not hear yourself.",
};
const NUMBERS_EVERY_MS = 250;
/** Frames that have not come by then are worth a question to the server. */
const SLOW_START_MS = 4000;

const meter = createMeter(CHUNK_S);
window.lipstream = { stats: meter.stats };

let avatars = [];
let avatar = null;
let source = "sample";
let file = null;
let isUp = false;

const idle = createIdle(ui.video, (picture) => {
  ui.screen.drawImage(picture, 0, 0, ui.screen.canvas.width, ui.screen.canvas.height);
  ui.showStage();
});

const link = createLink(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/ws`, {
  onFrame: (frame) => turns.frame(frame),
  onEvent: receive,
  onUp(started) {
    isUp = true;
    meter.started(started);
    ui.setLink("up", "Connected");
    if (turns.phase === "over") rest();
  },
  onDown(error, waitMs) {
    isUp = false;
    const what = turns.phase === "over" ? "The connection was lost" : "The connection was lost in mid-sentence";
    turns.cancel();
    ui.setLink("down", `Trying again in ${Math.max(1, Math.round(waitMs / 1000))} s`);
    ui.setState(error ? "error" : "connecting");
    if (error) tell(error);
    else ui.say(`${what}. It comes back by itself.`, "trouble");
    refreshButtons();
  },
});

const turns = createTurns({
  link,
  idle,
  meter,
  screen: ui.screen,
  onPhase(phase) {
    const isLive = source === "microphone";
    if (phase === "opening") {
      ui.setState("connecting");
      ui.say(isLive ? "Opening the microphone…" : "Reading the recording…");
    } else if (phase === "waiting") {
      ui.say("Waiting for the first frames…");
      setTimeout(askWhy, SLOW_START_MS);
    } else if (phase === "heard") {
      ui.setState("speaking");
      ui.say(isLive ? "Listening. Press Stop when you are done." : "Press Interrupt, and the mouth closes at once.");
    } else if (phase === "closing") {
      ui.say("Saying the last words…");
    } else if (phase === "interrupted") {
      ui.say("Interrupted. The microphone is still open.");
    } else {
      rest();
    }
    refreshButtons();
  },
  onTrouble(error) {
    ui.setState("error");
    tell(error);
  },
});

function receive(event) {
  if (event.type === "segment") turns.segment(event);
  if (event.type === "segment_end") turns.segmentEnd(event);
  if (event.type === "stats") meter.server(event);
  // An error before the session has started is told by `onDown`.
  if (event.type === "error" && isUp) tell(event);
}

function tell(error) {
  meter.error(error);
  ui.say(error.code ? explain(error) : error.message, "trouble");
}

function rest() {
  ui.setState(isUp ? "idle" : "connecting");
  ui.say(source === "file" && file ? `Ready to say “${file.name}”.` : HINTS[source]);
  refreshButtons();
}

function refreshButtons() {
  ui.setButtons({
    canPlay: isUp,
    isPlaying: turns.phase !== "over",
    canInterrupt: ["heard", "closing"].includes(turns.phase),
  });
}

function reconnect() {
  const pace = source === "microphone" ? "live" : "lossless";
  if (!link.use({ avatar: avatar.name, sampleRate: RATE_HZ, pace })) return;
  isUp = false;
  ui.setLink("waiting", "Connecting");
}

async function readSample() {
  const answer = await fetch("/sample");
  if (!answer.ok) throw new Error(`The sample could not be loaded: the server said ${answer.status}.`);
  return answer.arrayBuffer();
}

function play() {
  if (source === "file" && !file) ui.askForFile();
  else turns.play({ sample: readSample, file: () => file.arrayBuffer(), microphone: null }[source]);
}

async function askWhy() {
  if (turns.phase !== "waiting") return;
  const answer = await fetch("/readyz").catch(() => null);
  const { ready, missing } = (await answer?.json().catch(() => null)) ?? {};
  if (turns.phase !== "waiting") return;
  ui.say(ready === false ? explainMissing(missing) : "The first frames take unusually long…", "trouble");
}

function chooseSource(name) {
  turns.cancel();
  source = name;
  ui.setSource(source, file?.name);
  reconnect();
  rest();
}

function chooseFile(chosen) {
  file = chosen;
  chooseSource("file");
  if (link.session) play();
}

function chooseAvatar(name) {
  avatar = avatars.find((one) => one.name === name);
  turns.use(avatar);
  ui.setSize(avatar);
  idle.load(avatar);
  reconnect();
  rest();
}

async function open() {
  try {
    avatars = await (await fetch("/api/avatars")).json();
  } catch {
    ui.setState("error");
    ui.setLink("down", "Offline");
    return ui.say("The server cannot be reached. Is Lipstream running? Reload the page once it is.", "trouble");
  }
  if (avatars.length === 0) return ui.say("This server has no avatar. Import one, then reload the page.", "trouble");
  ui.setAvatars(avatars, avatars[0].name);
  chooseAvatar(avatars[0].name);
}

ui.listen({
  onPlay: () => (turns.phase === "over" ? play() : turns.stop()),
  onInterrupt: turns.interrupt,
  onSource: chooseSource,
  onFile: chooseFile,
  onAvatar: chooseAvatar,
});
setInterval(() => {
  meter.refresh();
  ui.showNumbers(meter.stats, turns.phase === "heard" || turns.phase === "closing");
  ui.setProgress(turns.progress);
}, NUMBERS_EVERY_MS);
addEventListener("pagehide", () => {
  turns.close();
  link.close();
});
addEventListener("pageshow", ({ persisted }) => persisted && reconnect());
open();
