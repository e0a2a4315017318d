import { lasting } from "../storage.js";

const NEXT = { auto: "light", light: "dark", dark: "auto" };
const NAMES = { auto: "as the system", light: "light", dark: "dark" };

/**
 * A button that goes through the themes; the style sheet does the rest.
 * @param {HTMLButtonElement} button
 */
export function startTheme(button) {
  const root = document.documentElement;
  const tell = () => {
    const text = `Theme: ${NAMES[root.dataset.theme]}`;
    button.setAttribute("aria-label", text);
    button.title = text;
  };
  button.addEventListener("click", () => {
    root.dataset.theme = NEXT[root.dataset.theme] ?? "auto";
    lasting.write("lipstream.theme", root.dataset.theme);
    tell();
  });
  tell();
}
