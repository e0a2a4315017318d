import { explain } from "./page/messages.js";
import { SourceError } from "./sound/trouble.js";

const query = new URLSearchParams(location.search);

/** The API key or session token that the address carries, if it does. */
export const token = query.get("token") ?? undefined;

/** The address of a picture or video, which cannot carry a header. */
export const withToken = (path) => (token ? `${path}?token=${encodeURIComponent(token)}` : path);

/** Where the session is. */
export const socketUrl = `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/ws`;

/**
 * Asks the gateway; anything but success is an error with the server's own words.
 * @param {string} path
 * @param {RequestInit} [init]
 */
export async function get(path, init = {}) {
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  const answer = await fetch(path, { ...init, headers });
  if (answer.ok) return answer;
  const { error } = await answer.json().catch(() => ({}));
  throw new SourceError(explain({ code: error?.code, message: error?.message ?? `The server said ${answer.status}.` }));
}

export const getJson = async (path, init) => (await get(path, init)).json();

/** What the gateway says of itself; nothing of it is needed to speak. */
export const readConfig = () => getJson("/config").catch(() => ({}));

/**
 * An ephemeral secret of the speech service, and where to call it.
 * @param {{openai_base_url?: string}} config
 */
export async function invite(config) {
  const { value } = await getJson("/token", { method: "POST" });
  return { secret: value, baseUrl: config.openai_base_url ?? "https://api.openai.com" };
}
