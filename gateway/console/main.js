/** The console: brings the parts together and decides what happens when. */

import { createClock } from "./clock.js";
import { createIdle } from "./idle.js";
import { createLink } from "./link.js";
import { explain, explainMissing } from "./messages.js";
import { createMeter } from "./meter.js";
import { createPlayer } from "./player.js";
import { CHUNK_S, RATE_HZ, decodeRecording, feedRecording, openMicrophone } from "./sources.js";
import * as ui from "./ui.js";

const HINTS = {
  sample: "A short recording. Press Play, and watch the mouth follow.",
  file: "Choose a recording, or drop one anywhere on this page.",
  microphone: "Press Play and speak. The face says what you say; you will not hear yourself.",
};
const NUMBERS_EVERY_MS = 250;
/** Frames that have not come by then are worth a question to the server. */
const SLOW_START_MS = 4000;
/** The first guess of how long a start takes; later ones are learnt. */
const FIRST_LEAD_S = 0.5;

const meter = createMeter(CHUNK_S);
window.lipstream = { stats: meter.stats };

let avatars = [];
let avatar = null;
let source = "sample";
let file = null;
let clock = null;
let player = null;
let turn = null;
let isUp = false;
let leadS = FIRST_LEAD_S;

const idle = createIdle(ui.video, (picture) => {
  ui.screen.drawImage(picture, 0, 0, ui.screen.canvas.width, ui.screen.canvas.height);
  ui.showStage();
});

const link = createLink(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/ws`, {
  onFrame: (frame) => player?.frame(frame),
  onEvent: receive,
  onUp(started) {
    isUp = true;
    meter.started(started);
    ui.setLink("up", "Connected");
    if (!turn) settle();
  },
  onDown(error, waitMs) {
    isUp = false;
    const wasTalking = turn !== null;
    if (wasTalking) finishTurn();
    if (error) meter.error(error);
    const seconds = Math.max(1, Math.round(waitMs / 1000));
    ui.setLink("down", `Trying again in ${seconds} s`);
    ui.setState(error ? "error" : "connecting");
    ui.say(error ? explain(error) : `The connection was lost${wasTalking ? " in mid-sentence" : ""}. It comes back by itself.`, "trouble");
    refreshButtons();
  },
});

function receive(event) {
  if (event.type === "segment") player?.segment(event);
  if (event.type === "segment_end") player?.segmentEnd(event);
  if (event.type === "stats") meter.server(event);
  // An error before the session has started is told by `onDown`.
  if (event.type === "error" && isUp) trouble(event);
}

function trouble(error) {
  meter.error(error);
  ui.say(error.code ? explain(error) : error.message, "trouble");
}

function settle() {
  ui.setState(isUp ? "idle" : "connecting");
  ui.setProgress(0);
  ui.say(source === "file" && file ? `Ready to say “${file.name}”.` : HINTS[source]);
  refreshButtons();
}

function refreshButtons() {
  ui.setButtons({ canPlay: isUp && avatar !== null, isPlaying: turn !== null, canInterrupt: turn?.isHeard ?? false });
}

const wanted = () => ({ avatar: avatar.name, sampleRate: RATE_HZ, pace: source === "microphone" ? "live" : "lossless" });

function reconnect() {
  if (!link.use(wanted())) return;
  isUp = false;
  ui.setLink("waiting", "Connecting");
}

/** One press of Play: from here to `finishTurn`. `isOn` turns false when something else came first. */
async function play() {
  const mine = (turn = { isOn: true, isHeard: false, close: () => {}, durationS: null, beganMs: 0 });
  ui.setState("connecting");
  ui.say(source === "microphone" ? "Opening the microphone…" : "Reading the recording…");
  refreshButtons();
  try {
    clock ??= createClock();
    await Promise.all([clock.resume(), link.session.started]);
    if (source === "microphone") await speak(mine);
    else await recite(mine);
  } catch (error) {
    if (!mine.isOn) return;
    finishTurn();
    ui.setState("error");
    trouble(error);
  }
}

async function recite(mine) {
  const { recording, pcm } = await decodeRecording(await recordingBytes(), clock.context);
  if (!mine.isOn) return;
  mine.durationS = recording.duration;
  begin(mine, recording);
  mine.close = feedRecording(pcm, avatar.lookahead_ms / 1000, {
    send: sendChunk,
    heardS: () => player.heardS(),
    bufferedBytes: () => link.session?.bufferedBytes ?? 0,
    onEnd: flush,
  });
}

async function speak(mine) {
  const close = await openMicrophone(clock.context, {
    send(chunk) {
      if (!mine.beganMs) begin(mine, null);
      sendChunk(chunk);
    },
    onLost() {
      stop();
      ui.say("The microphone went away.", "trouble");
    },
  });
  if (mine.isOn) mine.close = close;
  else close();
}

async function recordingBytes() {
  if (source === "file") return file.arrayBuffer();
  const answer = await fetch("/sample");
  if (!answer.ok) throw new Error(`The sample could not be loaded: the server said ${answer.status}.`);
  return answer.arrayBuffer();
}

function begin(mine, recording) {
  mine.beganMs = performance.now();
  player ??= createPlayer({ clock, screen: ui.screen, idle, meter, fps: avatar.fps, onStart, onEnd });
  player.expect(recording);
  meter.opened();
  link.session?.begin(idle.promise(Math.ceil(leadS * avatar.fps)));
  ui.say("Waiting for the first frames…");
  setTimeout(() => mine.isOn && !mine.isHeard && askWhy(), SLOW_START_MS);
}

function sendChunk(chunk) {
  link.session?.sendAudio(chunk);
  meter.sent();
}

function flush() {
  link.session?.flush();
  meter.flushed();
}

function onStart() {
  if (!turn) return;
  if (!turn.isHeard) leadS = 0.5 * leadS + 0.5 * Math.min(2, (performance.now() - turn.beganMs) / 1000);
  turn.isHeard = true;
  ui.setState("speaking");
  ui.say(turn.durationS === null ? "Listening. Press Stop when you are done." : "Press Interrupt, and the mouth closes at once.");
  refreshButtons();
}

function onEnd() {
  // A microphone that pauses ends a segment, not the turn.
  if (turn && (turn.durationS !== null || turn.isClosing)) finishTurn();
}

/** Play again ends a recording at once; what was said into the microphone is still shown to its last word. */
function stop() {
  if (!turn) return;
  if (turn.durationS !== null || !turn.isHeard || turn.isClosing) return interrupt();
  turn.isClosing = true;
  turn.close();
  flush();
  ui.say("Saying the last words…");
}

/** Barge-in: silence now, on both sides. The microphone stays open. */
function interrupt() {
  if (!turn) return;
  link.session?.clear();
  player?.clear();
  if (turn.durationS === null && turn.isHeard && !turn.isClosing) {
    player.expect(null);
    meter.opened();
    link.session?.begin(idle.promise(Math.ceil(leadS * avatar.fps)));
    ui.say("Interrupted. The microphone is still open.");
  } else {
    finishTurn();
  }
}

function finishTurn() {
  turn.isOn = false;
  turn.close();
  turn = null;
  player?.clear();
  settle();
}

async function askWhy() {
  const answer = await fetch("/readyz").catch(() => null);
  const { ready, missing = [] } = (await answer?.json().catch(() => null)) ?? {};
  if (turn && !turn.isHeard) ui.say(ready === false ? explainMissing(missing) : "The first frames take unusually long…", "trouble");
}

function chooseSource(name) {
  if (turn) interrupt();
  if (turn) finishTurn();
  source = name;
  ui.setSource(source, file?.name);
  reconnect();
  settle();
}

function chooseFile(chosen) {
  file = chosen;
  chooseSource("file");
  if (link.session) play();
}

function chooseAvatar(name) {
  if (turn) interrupt();
  if (turn) finishTurn();
  avatar = avatars.find((one) => one.name === name);
  player = null;
  ui.setSize(avatar);
  idle.load(avatar);
  reconnect();
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

function leave() {
  if (turn) finishTurn();
  link.close();
  clock?.context.close();
  clock = player = null;
}

ui.listen({
  onPlay: () => (turn ? stop() : source === "file" && !file ? ui.say(HINTS.file, "trouble") : play()),
  onInterrupt: interrupt,
  onSource: chooseSource,
  onFile: chooseFile,
  onAvatar: chooseAvatar,
});
setInterval(() => {
  meter.refresh();
  const isSpeaking = turn?.isHeard ?? false;
  ui.showNumbers(meter.stats, isSpeaking);
  if (turn?.durationS && player) ui.setProgress(Math.min(1, player.heardS() / turn.durationS));
}, NUMBERS_EVERY_MS);
addEventListener("pagehide", leave);
addEventListener("pageshow", ({ persisted }) => persisted && reconnect());
open();
