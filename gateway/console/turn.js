import { createClock } from "./clock.js";
import { createPlayer } from "./player.js";
import { decodeRecording, feedRecording, openMicrophone } from "./sources.js";

/** The first guess of how long a start takes; later ones are learnt. */
const FIRST_LEAD_S = 0.5;
const LONGEST_LEAD_S = 2;

/**
 * @typedef {"opening" | "waiting" | "heard" | "closing" | "interrupted" | "over"} Phase
 * opening: the file is read, or the microphone asked for; waiting: sound is on its way, no frame is shown yet;
 * heard: the face speaks; closing: the microphone is shut, its last words are still to come; interrupted: it stays
 * open after a barge-in; over: nothing goes on.
 */

/**
 * A turn is one press of Play: speech from a source goes out, and the player shows what comes back.
 * @param {object} parts
 * @param {ReturnType<import("./link.js").createLink>} parts.link
 * @param {ReturnType<import("./idle.js").createIdle>} parts.idle
 * @param {ReturnType<import("./meter.js").createMeter>} parts.meter
 * @param {CanvasRenderingContext2D} parts.screen
 * @param {(phase: Phase) => void} parts.onPhase
 * @param {(error: Error) => void} parts.onTrouble the turn is over because of this
 */
export function createTurns({ link, idle, meter, screen, onPhase, onTrouble }) {
  let avatar = null;
  let clock = null;
  let player = null;
  let turn = null;
  let leadS = FIRST_LEAD_S;

  function enter(phase) {
    turn.phase = phase;
    onPhase(phase);
  }

  /** @param {(() => Promise<ArrayBuffer>) | null} read gives the recording's bytes; null: the microphone */
  async function play(read) {
    const mine = (turn = { phase: "opening", isLive: read === null, durationS: 0, beganMs: 0, close: () => {} });
    onPhase("opening");
    try {
      clock ??= createClock();
      await Promise.all([clock.resume(), link.session.started]);
      await (read ? recite(mine, await read()) : speak(mine));
    } catch (error) {
      // Whoever ended the turn meanwhile has no use for its error.
      if (mine !== turn) return;
      end();
      onTrouble(error);
    }
  }

  async function recite(mine, bytes) {
    const { recording, pcm } = await decodeRecording(bytes, clock.context);
    if (mine !== turn) return;
    mine.durationS = recording.duration;
    begin(recording);
    mine.close = feedRecording(pcm, avatar.lookahead_ms / 1000, {
      send,
      heardS: player.heardS,
      bufferedBytes: () => link.session?.bufferedBytes ?? 0,
      onEnd: flush,
    });
  }

  async function speak(mine) {
    const close = await openMicrophone(clock.context, {
      send(chunk) {
        if (turn.phase === "opening") begin(null);
        send(chunk);
      },
      onLost() {
        cancel();
        onTrouble(new Error("The microphone went away."));
      },
    });
    if (mine === turn) mine.close = close;
    else close();
  }

  function begin(recording) {
    player ??= createPlayer({ clock, screen, idle, meter, fps: avatar.fps, onStart, onEnd });
    announce(recording);
    turn.beganMs = performance.now();
    enter("waiting");
  }

  function announce(recording) {
    player.expect(recording);
    meter.opened();
    link.session?.begin(idle.promise(Math.ceil(leadS * avatar.fps)));
  }

  function send(chunk) {
    link.session?.sendAudio(chunk);
    meter.sent();
  }

  function flush() {
    link.session?.flush();
    meter.flushed();
  }

  function onStart() {
    if (turn?.phase !== "waiting" && turn?.phase !== "interrupted") return;
    if (turn.phase === "waiting") {
      const tookS = (performance.now() - turn.beganMs) / 1000;
      leadS = (leadS + Math.min(LONGEST_LEAD_S, tookS)) / 2;
    }
    enter("heard");
  }

  function onEnd() {
    // A pause ends a segment of an open microphone, not the turn.
    if (turn && (!turn.isLive || turn.phase === "closing")) end();
  }

  function end() {
    turn.close();
    turn = null;
    player?.clear();
    onPhase("over");
  }

  function cancel() {
    if (!turn) return;
    if (turn.beganMs) link.session?.clear();
    end();
  }

  return {
    play,

    /** @returns {Phase} */
    get phase() {
      return turn?.phase ?? "over";
    },
    /** How much of a recording has been heard, 0 to 1; 0 for the microphone. */
    get progress() {
      return turn?.durationS && player ? Math.min(1, player.heardS() / turn.durationS) : 0;
    },

    /** A recording ends at once; what was said into the microphone is still shown to its last word. */
    stop() {
      if (!turn?.isLive || turn.phase !== "heard") return cancel();
      turn.close();
      flush();
      enter("closing");
    },

    /** Barge-in: silence now, on both sides. The microphone stays open. */
    interrupt() {
      if (!turn?.isLive || turn.phase !== "heard") return cancel();
      link.session?.clear();
      player.clear();
      announce(null);
      enter("interrupted");
    },

    /** Ends whatever goes on, without a word to the server where there is no session any more. */
    cancel,

    /** Another avatar, at another rate perhaps. */
    use(chosen) {
      cancel();
      [avatar, player] = [chosen, null];
    },

    frame: (frame) => player?.frame(frame),
    segment: (event) => player?.segment(event),
    segmentEnd: (event) => player?.segmentEnd(event),

    /** Frees the sound device. */
    close() {
      cancel();
      clock?.context.close();
      clock = player = null;
    },
  };
}
