/**
 * The words of both sides, from the events of the Realtime API.
 * @typedef {{id: string, who: "you" | "avatar", text: string, isCut: boolean}} Line
 */

const LINES_MOST = 100;

/** @param {(lines: Line[]) => void} onChange */
export function createTranscript(onChange) {
  /** @type {Line[]} */
  let lines = [];

  function line(id, who) {
    const known = lines.find((one) => one.id === id);
    if (known) return known;
    const made = { id, who, text: "", isCut: false };
    lines = [...lines, made].slice(-LINES_MOST);
    return made;
  }

  const readers = {
    "input_audio_buffer.speech_started": ({ item_id }) => line(item_id, "you"),
    "conversation.item.input_audio_transcription.delta": ({ item_id, delta }) => (line(item_id, "you").text += delta),
    "conversation.item.input_audio_transcription.completed": ({ item_id, transcript }) =>
      (line(item_id, "you").text = transcript.trim()),
    "response.output_audio_transcript.delta": ({ item_id, delta }) => (line(item_id, "avatar").text += delta),
    "response.output_audio_transcript.done": ({ item_id, transcript }) => {
      const one = line(item_id, "avatar");
      if (!one.isCut) one.text = transcript;
    },
  };

  return {
    /** @param {{type: string}} event */
    read(event) {
      if (!readers[event.type]) return;
      readers[event.type](event);
      onChange(lines);
    },
    /** An answer was interrupted: not all of its words were heard. */
    cut(id) {
      const one = lines.find((each) => each.id === id);
      if (!one) return;
      one.isCut = true;
      onChange(lines);
    },
    clear() {
      lines = [];
      onChange(lines);
    },
  };
}
