/** Chunks go together, half a second at 24 kHz or so: a server counts messages, and takes none that is too long. */
const MESSAGE_SAMPLES = 12_000;

/** @typedef {{utterance: import("./ledger.js").Utterance, pcm: Int16Array[]}[]} Owed what `resume` of the ledger gives */

/**
 * The number that a new connection's frame 0, and its segment 0, have for the application.
 * @param {Owed} owed
 * @param {{frame: number, segment: number}} next where it begins when nothing goes on
 */
export function whereBegins(owed, next) {
  const head = owed[0]?.utterance;
  if (!head || head.first === null) return { ...next };
  return { frame: head.first + head.skipped, segment: head.segment };
}

/**
 * Says again what is owed, beginning where the head is.
 * @param {ReturnType<import("./socket.js").openSocket>} socket
 * @param {Owed} owed
 * @param {string} avatar the one to switch to where an utterance ended in a switch
 * @returns {number} samples said
 */
export function sayAgain(socket, owed, avatar) {
  let samples = 0;
  for (const { utterance, pcm } of owed) {
    const { template, skipped, end } = utterance;
    if (template !== null) socket.tell("begin", { template: template + skipped });
    for (const message of joined(pcm)) socket.send(message);
    if (end === "flush") socket.tell("flush");
    if (end === "switch") socket.tell("switch", { avatar });
    samples += pcm.reduce((sum, { length }) => sum + length, 0);
  }
  return samples;
}

/** @param {Int16Array[]} chunks @returns {Int16Array[]} fewer and longer ones */
function joined(chunks) {
  const messages = [];
  for (let held = chunks; held.length; ) {
    let [count, length] = [0, 0];
    while (count < held.length && length < MESSAGE_SAMPLES) length += held[count++].length;
    const message = new Int16Array(length);
    let at = 0;
    for (const chunk of held.slice(0, count)) {
      message.set(chunk, at);
      at += chunk.length;
    }
    messages.push(message);
    held = held.slice(count);
  }
  return messages;
}
