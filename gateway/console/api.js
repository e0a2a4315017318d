import { readToken } from "./key.js";
import { explain } from "./page/messages.js";
import { SourceError } from "./sound/trouble.js";

/** The API key or session token that the page was given, if it was. */
export const token = readToken();

/** Where the session is. */
export const socketUrl = `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/ws`;

/** A refusal; `isPassing`: the same question may have another answer soon. */
function refusal({ code, message }, isPassing) {
  return Object.assign(new SourceError(explain({ code, message })), { code, isPassing });
}

/**
 * Asks the gateway; anything but success is an error with the server's own words.
 * @param {string} path
 * @param {RequestInit} [init]
 */
export async function get(path, init = {}) {
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  const answer = await fetch(path, { ...init, headers }).catch(({ message }) => {
    throw refusal({ code: "unreachable", message }, true);
  });
  if (answer.ok) return answer;
  const { error } = await answer.json().catch(() => ({}));
  const { code, message = `The server said ${answer.status}.` } = error ?? {};
  throw refusal({ code, message }, answer.status === 429 || answer.status >= 500);
}

export const getJson = async (path, init) => (await get(path, init)).json();

/**
 * An address from which an element may load a picture or video. Elements send no header with a key: where there is one,
 * it is the address of a copy, to be revoked by whoever asked for it.
 * @param {string} path
 * @param {RequestInit} [init]
 */
export async function mediaUrl(path, init) {
  return token ? URL.createObjectURL(await (await get(path, init)).blob()) : path;
}

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
