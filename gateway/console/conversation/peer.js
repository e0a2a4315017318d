import { SourceError } from "../sound/trouble.js";

const CONNECT_MS = 15_000;

/**
 * A WebRTC call to OpenAI's Realtime API: the microphone goes out, the assistant's voice and a channel of events come.
 * @param {object} parts
 * @param {string} parts.baseUrl without the /v1
 * @param {string} parts.secret ephemeral
 * @param {MediaStream} parts.microphone
 * @param {(event: {type: string}) => void} parts.onEvent
 * @param {(message: string) => void} parts.onLost
 * @returns {Promise<{voice: MediaStream, send: (event: object) => void, close: () => void}>}
 */
export async function call({ baseUrl, secret, microphone, onEvent, onLost }) {
  const peer = new RTCPeerConnection();
  try {
    const voice = Promise.withResolvers();
    peer.addEventListener("track", ({ track, streams }) => voice.resolve(streams[0] ?? new MediaStream([track])));
    for (const track of microphone.getAudioTracks()) peer.addTrack(track, microphone);
    const channel = peer.createDataChannel("oai-events");
    const opened = new Promise((resolve) => channel.addEventListener("open", resolve, { once: true }));
    channel.addEventListener("message", ({ data }) => onEvent(JSON.parse(data)));
    await peer.setLocalDescription();
    const sdp = await answer(`${baseUrl}/v1/realtime/calls`, secret, peer.localDescription.sdp);
    await peer.setRemoteDescription({ type: "answer", sdp });
    await within(Promise.all([voice.promise, opened]), "The speech service answered, but no sound gets through to it.");
    peer.addEventListener("connectionstatechange", () => {
      if (["failed", "closed"].includes(peer.connectionState)) onLost("The line to the speech service was lost.");
    });
    return {
      voice: await voice.promise,
      send: (event) => channel.readyState === "open" && channel.send(JSON.stringify(event)),
      close: () => peer.close(),
    };
  } catch (error) {
    peer.close();
    throw error;
  }
}

async function answer(url, secret, offer) {
  const headers = { Authorization: `Bearer ${secret}`, "Content-Type": "application/sdp" };
  const reply = await fetch(url, { method: "POST", headers, body: offer }).catch(() => {
    throw new SourceError(`The speech service at ${new URL(url).host} cannot be reached.`);
  });
  const text = await reply.text();
  if (!reply.ok) throw new SourceError(`The speech service refused the call (${reply.status}). ${reason(text)}`.trim());
  return text;
}

function reason(text) {
  try {
    return JSON.parse(text).error.message;
  } catch {
    return "";
  }
}

function within(promise, message) {
  const late = new Promise((_, reject) => setTimeout(() => reject(new SourceError(message)), CONNECT_MS));
  return Promise.race([promise, late]);
}
