import { capture } from "../sound/capture.js";
import { openMicrophone } from "../sound/microphone.js";
import { CHUNK_S, loudness } from "../sound/pcm.js";
import { SourceError } from "../sound/trouble.js";
import { streamedVoice } from "../sound/voices.js";
import { createGate } from "./gate.js";
import { call } from "./peer.js";
import { createSpoken } from "./spoken.js";

/** Names our own requests, so that a refusal of one is known from a fault of the call. */
const OURS = "lipstream";
const HEAR_THE_USER = {
  type: "session.update",
  event_id: OURS,
  session: { type: "realtime", audio: { input: { transcription: { model: "gpt-4o-mini-transcribe" } } } },
};

/**
 * A source that is a conversation: the microphone goes to OpenAI, the assistant's voice comes back and is said by the
 * face. The voice is heard on the media clock, with the picture, never straight from the line.
 * @param {object} options
 * @param {string} options.deviceId of the microphone
 * @param {() => Promise<{secret: string, baseUrl: string}>} options.invite an ephemeral secret, and where to call
 * @param {ReturnType<import("./transcript.js").createTranscript>} options.transcript
 * @returns {import("../types.js").Source}
 */
export function conversationSource({ deviceId, invite, transcript }) {
  return {
    isLive: true,
    async open(io) {
      const closers = [];
      const close = () => closers.splice(0).forEach((one) => one());
      try {
        const handle = await converse(io, closers);
        return { ...handle, close };
      } catch (error) {
        close();
        throw error;
      }
    },
  };

  async function converse(io, closers) {
    const spoken = createSpoken(CHUNK_S * 1000);
    let line = null;
    let voice = null;
    let level = 0;
    let rateHz = 0;
    /** After an interruption the rest of the old answer is still on the line; it ends where a new one begins. */
    let isDeaf = false;

    const gate = createGate({
      open() {
        voice = streamedVoice(io.clock, rateHz);
        spoken.open();
        io.speak(voice);
      },
      chunk({ pcm, samples }) {
        voice.push(samples);
        io.send(pcm);
      },
      close: io.flush,
    });

    const readers = {
      "input_audio_buffer.speech_started": io.interrupt,
      "response.output_item.added": ({ item }) => spoken.item(item.id),
      "response.created": () => (isDeaf = false),
      "output_audio_buffer.cleared": () => (isDeaf = false),
      // What we ask for is a courtesy; the talk goes on without it.
      error: ({ error }) => error.event_id !== OURS && io.trouble(new SourceError(`The speech service says: ${error.message}`)),
    };

    const { secret, baseUrl } = await invite();
    const microphone = await openMicrophone(deviceId, () => io.lost("The microphone went away."));
    closers.push(microphone.close);
    const own = await capture(microphone.stream, ({ pcm }) => (level = loudness(pcm)));
    closers.push(own.close);
    line = await call({
      baseUrl,
      secret,
      microphone: microphone.stream,
      onLost: io.lost,
      onEvent(event) {
        transcript.read(event);
        readers[event.type]?.(event);
      },
    });
    closers.push(line.close);
    line.send(HEAR_THE_USER);
    closers.push(keepAwake(line.voice));
    const ears = await capture(line.voice, (chunk) => {
      spoken.tick();
      if (isDeaf || !io.isWanted()) return;
      gate.push(chunk, loudness(chunk.pcm));
    });
    rateHz = ears.rateHz;
    closers.push(ears.close);

    return {
      level: () => level,
      setMuted: microphone.setMuted,
      segment: ({ segment }) => spoken.segment(segment),
      cut() {
        isDeaf = true;
        gate.reset();
        line.send({ type: "output_audio_buffer.clear", event_id: OURS });
      },
      cleared({ segment, position_ms }) {
        const heard = spoken.heard(segment, position_ms ?? 0);
        if (!heard) return;
        transcript.cut(heard.item_id);
        line.send({ type: "conversation.item.truncate", event_id: OURS, content_index: 0, ...heard });
      },
    };
  }
}

/** Browsers decode a remote track only while an element plays it; this one is mute. */
function keepAwake(stream) {
  const element = new Audio();
  element.muted = true;
  element.srcObject = stream;
  element.play().catch(() => {});
  return () => (element.srcObject = null);
}
