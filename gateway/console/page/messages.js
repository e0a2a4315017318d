/** The server's typed errors in plain words; what has no words of ours is said in the server's. */

const PLAIN = {
  at_capacity: "The server is full right now. It will be tried again in a moment.",
  bus_unavailable: "The server is up, but its message bus does not answer. It will be tried again in a moment.",
  unreachable: "The server cannot be reached. Is Lipstream running?",
  bad_avatar: "This avatar cannot be shown.",
  bad_audio: "The server could not use that sound.",
  bad_message: "This page and the server do not understand each other. Reload the page.",
  bad_frame: "A picture arrived damaged and was left out.",
  task_failed: "Some frames could not be made. The server's log has the reason.",
  unauthorized: "This server wants a key. Add #token= and your key to the address of this page.",
  internal: "Something went wrong in the server. Its log has the details.",
};

/** @param {{code?: string, message: string}} error */
export function explain({ code, message }) {
  return PLAIN[code] ?? `${message[0].toUpperCase()}${message.slice(1).replace(/\.?$/, ".")}`;
}

/** @param {string[]} missing what `/readyz` lacks */
export function explainMissing(missing) {
  if (missing.includes("redis")) return PLAIN.bus_unavailable;
  return `No frames come: nothing runs that does the ${missing.join(" and ")} work. Start that worker.`;
}
