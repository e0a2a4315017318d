import { createRows } from "./rows.js";

const NAMES = { you: "You", avatar: "Avatar" };

/**
 * The transcript on the page; it follows the newest line unless somebody has scrolled back to read.
 * @param {HTMLElement} list
 * @returns {(lines: import("../conversation/transcript.js").Line[]) => void}
 */
export function createTranscriptView(list) {
  const show = createRows(list, createLine);
  return (lines) => {
    const follows = list.scrollHeight - list.scrollTop - list.clientHeight < 40;
    show(lines);
    if (follows) list.scrollTop = list.scrollHeight;
  };
}

function createLine() {
  const line = document.createElement("li");
  const [name, words] = [document.createElement("b"), document.createElement("span")];
  line.append(name, words);

  return {
    line,
    update({ who, text, isCut }) {
      if (!line.dataset.who) name.textContent = NAMES[who];
      line.dataset.who = who;
      say(words, text);
      if (!isCut || line.hasAttribute("data-cut")) return;
      line.toggleAttribute("data-cut", true);
      line.append(Object.assign(document.createElement("small"), { textContent: "interrupted" }));
    },
  };
}

/** Adds what is new; the list is a live region, in which a changed text is announced from its beginning. */
function say(words, text) {
  const said = words.textContent;
  if (!text.startsWith(said)) words.textContent = text;
  else if (text !== said) words.append(text.slice(said.length));
}
