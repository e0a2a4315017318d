/**
 * What the keys do, wherever the focus is but in a field that wants the key itself.
 * @param {Record<string, () => void>} actions by `KeyboardEvent.key`, letters in lower case
 */
export function listenForKeys(actions) {
  document.addEventListener("keydown", (event) => {
    if (event.repeat || event.ctrlKey || event.metaKey || event.altKey) return;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    const { target } = event;
    if (!actions[key] || target.closest("select, dialog[open]")) return;
    // A button is pressed by the space bar; a radio button is chosen by it, but it is chosen already.
    if (key === " " && target.closest("button, summary, [type=file]")) return;
    event.preventDefault();
    actions[key]();
  });
}

/**
 * Files that are dropped anywhere on the page.
 * @param {(file: File) => void} onFile
 */
export function listenForDrops(onFile) {
  const root = document.documentElement;
  let depth = 0;
  const mark = (change) => root.toggleAttribute("data-drag", (depth = Math.max(0, depth + change)) > 0);
  root.addEventListener("dragenter", () => mark(1));
  root.addEventListener("dragleave", () => mark(-1));
  root.addEventListener("dragover", (event) => event.preventDefault());
  root.addEventListener("drop", (event) => {
    event.preventDefault();
    mark(-depth);
    if (event.dataTransfer.files[0]) onFile(event.dataTransfer.files[0]);
  });
}
