import { get, getJson } from "../api.js";
import { createRows } from "./rows.js";

const $ = (id) => document.getElementById(id);
const LOOK_EVERY_MS = 1_000;
const SHOWN = 20;
const NAMES = {
  render: ({ avatar }) => `Video of ${avatar}`,
  export: ({ session }) => `Video of session ${session.slice(0, 8)}`,
  frames: ({ avatar }) => `Frames of ${avatar}`,
  prune: ({ days }) => `Recordings older than ${days} days`,
};
const UNDER_WAY = ["queued", "running", "canceling"];

/**
 * The background jobs of the installation, with their progress; nothing is asked for before the panel is opened.
 * @param {() => string | undefined} chosenAvatar
 */
export function createJobsPanel(chosenAvatar) {
  const panel = $("jobs");
  const show = createRows($("jobs-list"), () => createRow({ cancel, save }));
  let timer = null;

  async function look() {
    clearTimeout(timer);
    try {
      const { jobs } = await getJson(`/api/jobs?limit=${SHOWN}`);
      show(jobs);
      say(jobs.length ? "" : "No jobs yet.");
    } catch (error) {
      say(error.message, "trouble");
    }
    clearTimeout(timer);
    if (panel.open) timer = setTimeout(look, LOOK_EVERY_MS);
  }

  const cancel = (job) => attempt(() => get(`/api/jobs/${job.id}`, { method: "DELETE" }));

  async function save(job) {
    await attempt(async () => {
      const made = await (await get(`/api/jobs/${job.id}/result`)).blob();
      const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(made), download: job.outcome.file.name });
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
    });
  }

  const submit = (path, init) => attempt(() => get(path, { method: "POST", ...init }));

  async function attempt(work) {
    try {
      await work();
      await look();
    } catch (error) {
      say(error.message, "trouble");
    }
  }

  function say(text, kind = "hint") {
    $("jobs-hint").dataset.kind = kind;
    $("jobs-hint").textContent = text;
  }

  panel.addEventListener("toggle", () => (panel.open ? look() : clearTimeout(timer)));
  $("jobs-render").addEventListener("click", () => $("jobs-file").click());
  $("jobs-frames").addEventListener("click", () => submit("/api/jobs/frames", { body: JSON.stringify({ avatar: chosenAvatar() }) }));
  $("jobs-file").addEventListener("change", ({ target }) => {
    const [file] = target.files;
    if (file) submit(`/api/jobs/render?avatar=${encodeURIComponent(chosenAvatar())}`, { body: file });
    target.value = "";
  });
}

/** One job: what it is, a bar while it is under way, how it stands, and what can be done about it. */
function createRow({ cancel, save }) {
  const line = document.createElement("li");
  const [what, state] = [document.createElement("span"), document.createElement("span")];
  const [bar, button] = [document.createElement("progress"), document.createElement("button")];
  state.className = "state";
  Object.assign(button, { type: "button", className: "quiet" });
  line.append(what, bar, state, button);
  let current = null;
  button.addEventListener("click", () => (current.state === "finished" ? save(current) : cancel(current)));

  return {
    line,
    update(job) {
      current = job;
      const name = NAMES[job.request.kind](job.request);
      const [isUnderWay, hasFile] = [UNDER_WAY.includes(job.state), Boolean(job.outcome?.file)];
      line.dataset.state = job.state;
      what.textContent = name;
      state.textContent = wordsFor(job);
      bar.hidden = !isUnderWay;
      bar.setAttribute("aria-label", `Progress: ${name}`);
      if (job.total) Object.assign(bar, { max: job.total, value: job.done });
      else bar.removeAttribute("value");
      button.hidden = !isUnderWay && !hasFile;
      button.disabled = job.state === "canceling";
      button.textContent = isUnderWay ? "Cancel" : "Save";
      button.setAttribute("aria-label", `${button.textContent}: ${name}`);
    },
  };
}

function wordsFor({ state, done, total, attempt, error }) {
  if (state === "failed") return `Failed: ${error.message}`;
  if (state === "running" && total) return `${done} of ${total}` + (attempt > 1 ? `, try ${attempt}` : "");
  return { queued: "Waits", running: "Begins", canceling: "Is being canceled", finished: "Finished", canceled: "Canceled" }[state];
}
