/**
 * The API key or session token of this tab. It comes in the page's address, behind `#token=`, which browsers send to
 * nobody, or as `?token=`; there it would stay in the history and on the screen, so it is moved away at once.
 */

import { ofThisTab } from "./storage.js";

const KEPT_AS = "lipstream.token";

function takeFromAddress() {
  const url = new URL(location.href);
  const behindHash = new URLSearchParams(url.hash.slice(1));
  const found = behindHash.get("token") ?? url.searchParams.get("token");
  if (!found) return null;
  url.searchParams.delete("token");
  behindHash.delete("token");
  url.hash = behindHash.toString();
  history.replaceState(history.state, "", url);
  ofThisTab.write(KEPT_AS, found);
  return found;
}

/** @returns {string | undefined} */
export function readToken() {
  // A key that is added to the address of an open page does not load it anew.
  addEventListener("hashchange", () => takeFromAddress() && location.reload());
  return takeFromAddress() ?? ofThisTab.read(KEPT_AS) ?? undefined;
}
