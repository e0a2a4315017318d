import { createPlayer } from "./picture/player.js";
import { createClock } from "./sound/clock.js";

/** The first guess of how long a start takes; later ones are learnt. */
const FIRST_LEAD_S = 0.5;
const LONGEST_LEAD_S = 2;
const CLOSED = { close() {} };

/**
 * A turn is one press of Play: speech from a source goes out, and the player shows what comes back.
 * @param {object} parts
 * @param {ReturnType<import("./link.js").createLink>} parts.link
 * @param {ReturnType<import("./picture/idle.js").createIdle>} parts.idle
 * @param {ReturnType<import("./page/meter.js").createMeter>} parts.meter
 * @param {ReturnType<import("./picture/screen.js").createScreen>} parts.screen
 * @param {(avatar: object) => void} parts.onLook the face is another avatar's from now on
 * @param {(phase: import("./types.js").Phase) => void} parts.onPhase
 * @param {(error: Error) => void} parts.onTrouble the turn is over because of this
 */
export function createTurns({ link, idle, meter, screen, onLook, onPhase, onTrouble }) {
  let avatar = null;
  let clock = null;
  let player = null;
  let decode = null;
  let turn = null;
  let leadS = FIRST_LEAD_S;

  function enter(phase) {
    turn.phase = phase;
    onPhase(phase);
  }

  /** @param {import("./types.js").Source} source */
  async function play(source) {
    const mine = (turn = { phase: "opening", source, durationS: 0, beganMs: 0, isFed: false, handle: CLOSED });
    onPhase("opening");
    try {
      clock ??= createClock();
      player ??= createPlayer({ clock, screen, idle, meter, decode, fps: avatar.fps, onStart, onEnd, onLook });
      await Promise.all([clock.resume(), link.session.started]);
      const handle = await source.open(ports(mine));
      if (mine !== turn) return handle.close();
      mine.handle = handle;
      if (turn.phase === "opening") enter("open");
    } catch (error) {
      // Whoever ended the turn meanwhile has no use for its error.
      if (mine === turn) fail(error);
    }
  }

  /** What a source may do. */
  const ports = (mine) => ({
    clock,
    isWanted: () => mine === turn && turn.phase !== "closing",
    heardS: player.heardS,
    lookaheadS: () => avatar.lookahead_ms / 1000,
    bufferedBytes: () => link.session?.bufferedBytes ?? 0,
    speak,
    send(chunk) {
      link.session?.sendAudio(chunk);
      meter.sent();
    },
    flush,
    interrupt: bargeIn,
    lost: (message) => mine === turn && fail(new Error(message)),
    trouble: onTrouble,
  });

  /** The next sound begins an utterance. @param {import("./sound/voices.js").Voice | null} voice heard with it */
  function speak(voice, durationS = 0) {
    Object.assign(turn, { durationS, isFed: false });
    // Behind an utterance that is still to come the head goes on from there; else from where the loop will be.
    if (!player.isBusy()) link.session?.begin(idle.promise(Math.ceil(leadS * avatar.fps)));
    player.expect(voice);
    meter.opened(avatar);
    if (turn.phase === "heard") return;
    turn.beganMs = performance.now();
    enter("waiting");
  }

  function flush() {
    turn.isFed = true;
    link.session?.flush();
    meter.flushed();
  }

  function onStart() {
    if (turn?.phase !== "waiting") return;
    const tookS = (performance.now() - turn.beganMs) / 1000;
    leadS = (leadS + Math.min(LONGEST_LEAD_S, tookS)) / 2;
    enter("heard");
  }

  function onEnd() {
    if (!turn) return;
    if (turn.source.isLive && turn.phase !== "closing") enter("open");
    else end();
  }

  function release() {
    turn.handle.close();
    turn.handle = CLOSED;
  }

  function end() {
    release();
    turn = null;
    player?.clear();
    onPhase("over");
  }

  function fail(error) {
    cancel();
    onTrouble(error);
  }

  function cancel() {
    if (!turn) return;
    if (turn.beganMs) link.session?.clear(player.shown());
    end();
  }

  const canBargeIn = () => turn?.source.isLive && ["waiting", "heard"].includes(turn.phase);

  /** Silence now, on both sides; the source goes on. */
  function bargeIn() {
    if (!canBargeIn()) return;
    link.session?.clear(player.shown());
    player.clear();
    turn.handle.cut?.();
    enter("open");
  }

  /** The user wants silence; where there is none to barge in on, the turn is over. */
  function interrupt() {
    if (canBargeIn()) bargeIn();
    else if (turn?.phase !== "open") cancel();
  }

  return {
    play,
    cancel,
    interrupt,

    /** @returns {import("./types.js").Phase} */
    get phase() {
      return turn?.phase ?? "over";
    },
    get handle() {
      return turn?.handle ?? null;
    },

    /** How much of a recording has been heard, 0 to 1; 0 of what is live. */
    get progress() {
      return turn?.durationS ? Math.min(1, player.heardS() / turn.durationS) : 0;
    },

    /** A recording ends at once; what was said into the microphone is still shown to its last word. */
    stop() {
      if (!turn?.source.isLive || turn.phase !== "heard" || turn.isFed) return cancel();
      release();
      flush();
      enter("closing");
    },

    /** Another avatar, at another rate perhaps, or another way to make pictures of frames. */
    use(chosen, decoder) {
      cancel();
      [avatar, decode, player] = [chosen, decoder, null];
    },

    /** Another avatar while it goes on; at the same rate. */
    look(chosen) {
      avatar = chosen;
      if (turn && turn.beganMs && !turn.isFed) {
        player.split();
        meter.opened(chosen);
      }
      link.session?.switchAvatar(chosen.name);
    },

    /** @param {{type: string}} event of the session */
    event(event) {
      if (event.type === "segment") {
        player?.segment(event);
        turn?.handle.segment?.(event);
      }
      if (event.type === "speak_ended") player?.segmentEnd(event);
      if (event.type === "switched") player ? player.look(event.first_frame, avatar) : onLook(avatar);
      if (event.type === "cleared") turn?.handle.cleared?.(event);
    },
    frame: (frame) => player?.frame(frame),

    /** Frees the sound device. */
    close() {
      cancel();
      clock?.close();
      clock = player = null;
    },
  };
}
