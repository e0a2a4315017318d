/** Small things that outlive the page; where the browser keeps none, each visit is the first. */

const guarded = (kind) => ({
  /** @returns {string | null} */
  read(key) {
    try {
      return window[kind].getItem(key);
    } catch {
      return null;
    }
  },
  write(key, value) {
    try {
      window[kind].setItem(key, value);
    } catch {
      // Blocked, or full: nothing here is worth a word to the user.
    }
  },
});

export const lasting = guarded("localStorage");
/** Until the tab is closed. */
export const ofThisTab = guarded("sessionStorage");
