/** The console: brings the parts together. */

import { get, getJson, invite, readConfig, socketUrl, token } from "./api.js";
import { conversationSource } from "./conversation/source.js";
import { createTranscript } from "./conversation/transcript.js";
import { createLink } from "./link.js";
import { waitMs } from "./lipstream/backoff.js";
import { createAvatarPicker } from "./page/avatars.js";
import { createJobsPanel } from "./page/jobs.js";
import { listenForDrops, listenForKeys } from "./page/keys.js";
import { createLog, describe } from "./page/log.js";
import { createMeter } from "./page/meter.js";
import { createMicrophonePanel } from "./page/microphone.js";
import { createReadout } from "./page/readout.js";
import { createStatus } from "./page/status.js";
import { startTheme } from "./page/theme.js";
import { createTranscriptView } from "./page/transcript.js";
import * as ui from "./page/ui.js";
import { createIdle } from "./picture/idle.js";
import { createScreen } from "./picture/screen.js";
import { chooseDecoder } from "./picture/templates.js";
import { liveSource } from "./sound/live.js";
import { CHUNK_S, RATE_HZ } from "./sound/pcm.js";
import { recordingSource } from "./sound/recording.js";
import { createTurns } from "./turn.js";

const NUMBERS_EVERY_MS = 250;
const LEVEL_EVERY_MS = 60;
const BAR_EVERY_MS = 1000;

const $ = (id) => document.getElementById(id);
const meter = createMeter(CHUNK_S);
const note = createLog($("log"));
const readout = createReadout();
const transcript = createTranscript(createTranscriptView($("transcript")));
const screen = createScreen(ui.canvas);
window.lipstream = { stats: meter.stats };

let avatars = [];
let config = {};
let wish = { avatar: null, source: "sample", file: null, output: "frame" };
let loading = null;

const idle = createIdle(ui.video, drawIdle, (error) => {
  note(error.message, "trouble");
  ui.sayOnStage(`${error.message} Speech can be seen all the same.`);
});
const link = createLink(socketUrl, { onFrame: (frame) => turns.frame(frame), onEvent: receive, onRefused: refuse });
const turns = createTurns({
  link,
  idle,
  meter,
  screen,
  onLook: look,
  onPhase(phase) {
    if (phase === "over") microphone.level(0);
    if (phase === "heard") ui.showStage();
    status.phase(phase);
  },
  onTrouble: complain,
});
const status = createStatus({ meter, turns, wish: () => wish });
const picker = createAvatarPicker($("avatars"), chooseAvatar);
const microphone = createMicrophonePanel({
  onDevice: () => turns.phase !== "over" && restart(),
  onMute: (muted) => turns.handle?.setMuted?.(muted),
});

const sources = {
  sample: () => recordingSource(async () => (await get("/sample")).arrayBuffer()),
  file: () => recordingSource(() => wish.file.arrayBuffer()),
  microphone: () => liveSource(microphone.deviceId),
  conversation: () => conversationSource({ deviceId: microphone.deviceId, invite: () => invite(config), transcript }),
};

function drawIdle(picture) {
  screen.fill(picture);
  ui.showStage();
}

function complain(error) {
  note(error.message, "trouble");
  status.tell(error);
}

/** The session is over, and none like it will be tried. */
function refuse(error) {
  turns.cancel();
  note(error.message, "trouble");
  status.refused(error);
}

function receive(event) {
  const line = describe(event);
  if (line) note(line, event.type === "error" ? "trouble" : "note");
  if (event.type === "started") meter.started(event);
  if (event.type === "stats") meter.server(event);
  if (event.type === "stats") readout.server(event, meter.stats.latencyMs);
  turns.event(event);
  status.session(event);
  if (event.type === "error" && event.field === "avatar") settle();
}

async function play() {
  if (!wish.avatar) return;
  if (turns.phase !== "over") return turns.stop();
  if (wish.source === "file" && !wish.file) return ui.askForFile();
  transcript.clear();
  await turns.play(sources[wish.source]());
  // Only now, with the permission, have microphones names.
  if (turns.handle?.setMuted) microphone.list();
  turns.handle?.setMuted?.(microphone.isMuted);
}

function restart() {
  turns.cancel();
  play();
}

const isSpeaking = () => turns.phase === "heard" || turns.phase === "closing";

// what is wished for

const sessionOptions = () => ({
  avatar: wish.avatar.name,
  sampleRate: RATE_HZ,
  output: wish.output,
  token,
  ...(wish.source === "microphone" ? { pace: "live", resendS: 1 } : { pace: "lossless" }),
});

function connectAsWished() {
  if (wish.avatar && link.use(sessionOptions())) status.connecting();
}

function chooseSource(source) {
  turns.cancel();
  wish = { ...wish, source };
  ui.setSource(source, wish.file?.name);
  microphone.visible(["microphone", "conversation"].includes(source));
  connectAsWished();
  status.rest();
}

function chooseFile(file) {
  wish = { ...wish, file };
  chooseSource("file");
  play();
}

function chooseAvatar(name) {
  const before = wish.avatar;
  wish = { ...wish, avatar: avatars.find((one) => one.name === name) };
  picker.choose(name);
  if (!before || !link.session?.isUp || wish.output === "patch" || before.fps !== wish.avatar.fps) return settle();
  turns.look(wish.avatar);
  link.amend(sessionOptions());
}

function look(avatar) {
  screen.fit(avatar);
  idle.load(avatar);
  ui.sayOnStage("");
  ui.setName(avatar);
}

function chooseOutput(output) {
  wish = { ...wish, output };
  settle();
}

/** Opens a session for another avatar or another output; a template that is needed is loaded before. */
async function settle() {
  loading?.abort();
  const mine = (loading = new AbortController());
  turns.cancel();
  status.loading(true);
  try {
    const decode = await chooseDecoder(wish, { get, onProgress: ui.setLoading, signal: mine.signal });
    turns.use(wish.avatar, decode);
  } catch (error) {
    if (mine.signal.aborted) return;
    note(error.message, "trouble");
    ui.setOutput("frame");
    return chooseOutput("frame");
  }
  if (mine !== loading) return;
  status.loading(false);
  ui.setLoading(null);
  look(wish.avatar);
  connectAsWished();
  status.rest();
}

/** Asks until the server is there. */
async function open() {
  const sinceMs = performance.now();
  for (let attempt = 0; ; attempt += 1) {
    try {
      return await openNow();
    } catch (error) {
      if (!error.isPassing) return refuse(error);
      const wait_ms = waitMs(attempt, performance.now() - sinceMs, error.code);
      receive({ type: "reconnecting", code: error.code, message: error.message, wait_ms, attempt: attempt + 1 });
      await new Promise((resolve) => setTimeout(resolve, wait_ms));
    }
  }
}

async function openNow() {
  [avatars, config] = await Promise.all([getJson("/api/avatars"), readConfig()]);
  if (avatars.length === 0) return ui.say("This server has no avatar. Import one, then reload the page.", "trouble");
  picker.show(avatars, avatars[0].name);
  chooseAvatar(avatars[0].name);
}

startTheme($("theme"));
createJobsPanel(() => wish.avatar?.name);
ui.listen({ onPlay: play, onInterrupt: turns.interrupt, onSource: chooseSource, onFile: chooseFile, onOutput: chooseOutput });
listenForDrops(chooseFile);
listenForKeys({
  " ": () => $("play").disabled || play(),
  Escape: turns.interrupt,
  m: microphone.toggle,
  "?": ui.toggleHelp,
});
setInterval(() => {
  meter.refresh();
  readout.show(meter.stats, isSpeaking());
  ui.setProgress(turns.progress);
}, NUMBERS_EVERY_MS);
setInterval(() => readout.remember(meter.stats, isSpeaking()), BAR_EVERY_MS);
setInterval(() => microphone.level(turns.handle?.level?.() ?? 0), LEVEL_EVERY_MS);
addEventListener("pagehide", () => {
  turns.close();
  link.close();
});
addEventListener("pageshow", ({ persisted }) => persisted && connectAsWished());
open();
