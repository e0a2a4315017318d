const NAMES = { you: "You", avatar: "Avatar" };

/**
 * The transcript on the page; it follows the newest line unless somebody has scrolled back to read.
 * @param {HTMLElement} list
 * @returns {(lines: import("../conversation/transcript.js").Line[]) => void}
 */
export function createTranscriptView(list) {
  return (lines) => {
    const follows = list.scrollHeight - list.scrollTop - list.clientHeight < 40;
    list.replaceChildren(...lines.map(item));
    if (follows) list.scrollTop = list.scrollHeight;
  };
}

function item({ who, text, isCut }) {
  const name = Object.assign(document.createElement("b"), { textContent: NAMES[who] });
  const words = Object.assign(document.createElement("span"), { textContent: text || "…" });
  const line = document.createElement("li");
  line.dataset.who = who;
  line.toggleAttribute("data-cut", isCut);
  line.append(name, words);
  if (isCut) line.append(Object.assign(document.createElement("small"), { textContent: "interrupted" }));
  return line;
}
