import { mediaUrl } from "../api.js";

/**
 * The idle loop: the avatar's template video, muted, drawn to the canvas while nobody speaks.
 *
 * It keeps running, unseen, under the speech, because the speech frames move the head by the same template: so there
 * is nothing to seek when the speech ends. `phase()` is the template index that the loop shows now.
 */

const FAR_FRAMES = 2;
const CORRECT_EVERY_MS = 1500;
const HAVE_CURRENT_DATA = 2;

/**
 * @param {HTMLVideoElement} video
 * @param {(picture: CanvasImageSource) => void} draw
 * @param {(error: Error) => void} onTrouble the video cannot be had or shown; speech still can
 */
export function createIdle(video, draw, onTrouble) {
  let fps = 25;
  let count = 1;
  let visible = true;
  let wanted = false;
  let hold = null;
  let mark = { index: 0, atMs: 0 };
  let seekMs = 100;
  let correctedMs = 0;
  let loading = null;

  // A video that seeks has no picture to draw; this is its last one.
  const still = document.createElement("canvas");

  const wrap = (index) => ((index % count) + count) % count;
  const forward = (from, to) => wrap(to - from);
  const distance = (a, b) => Math.min(forward(a, b), forward(b, a));

  function phase() {
    const running = !video.paused && !video.seeking;
    return wrap(mark.index + (running ? ((performance.now() - mark.atMs) / 1000) * fps : 0));
  }

  function presented(mediaTimeS, atMs) {
    mark = { index: wrap(Math.round(mediaTimeS * fps)), atMs };
    if (visible) draw(video);
    if (hold !== null && forward(hold, mark.index) < count / 2) video.pause();
  }

  const play = () => {
    wanted = true;
    // Rejects when the element is paused or loaded anew meanwhile, or while the page is in the background.
    video.play().catch(() => {});
  };

  if ("requestVideoFrameCallback" in video) {
    const next = (now, { mediaTime, expectedDisplayTime }) => {
      presented(mediaTime, expectedDisplayTime);
      video.requestVideoFrameCallback(next);
    };
    video.requestVideoFrameCallback(next);
  } else {
    const next = (now) => {
      if (video.readyState >= HAVE_CURRENT_DATA) presented(Math.floor(video.currentTime * fps) / fps, now);
      requestAnimationFrame(next);
    };
    requestAnimationFrame(next);
  }
  video.addEventListener("error", () => onTrouble(new Error(`The avatar's video cannot be played: ${video.error.message}.`)));
  document.addEventListener("visibilitychange", () => !document.hidden && wanted && hold === null && play());

  function seek(index) {
    if (video.readyState < HAVE_CURRENT_DATA) return;
    const begunMs = performance.now();
    correctedMs = begunMs;
    Object.assign(still, { width: video.videoWidth, height: video.videoHeight });
    still.getContext("2d").drawImage(video, 0, 0);
    video.addEventListener("seeked", () => (seekMs = performance.now() - begunMs), { once: true });
    video.currentTime = (wrap(index) + 0.5) / fps;
  }

  async function fetchVideo(name) {
    loading?.abort();
    const mine = (loading = new AbortController());
    try {
      const url = await mediaUrl(`/api/avatars/${encodeURIComponent(name)}/template.mp4`, { signal: mine.signal });
      if (mine.signal.aborted) return URL.revokeObjectURL(url);
      URL.revokeObjectURL(video.src);
      video.src = url;
      play();
    } catch (error) {
      if (!mine.signal.aborted) onTrouble(error);
    }
  }

  return {
    /** @param {{name: string, fps: number, template_frames: number}} avatar */
    load(avatar) {
      [fps, count, hold] = [avatar.fps, avatar.template_frames, null];
      mark = { index: 0, atMs: performance.now() };
      video.pause();
      fetchVideo(avatar.name);
    },

    phase,

    /**
     * Announces that speech takes over about `leadFrames` from now. The loop stops at the index that is returned, so
     * that speech which comes late still finds the head where it said it would be.
     */
    promise(leadFrames) {
      hold = wrap(Math.floor(phase()) + leadFrames);
      return hold;
    },

    /** Seconds until the loop shows a template index; 0 when it waits there, or has passed it. */
    secondsUntil(index) {
      const frames = forward(phase(), index);
      return frames < count / 2 ? frames / fps : 0;
    },

    /** Speech shows this template index now; the loop runs along underneath. */
    follow(index) {
      visible = false;
      hold = null;
      if (video.paused) play();
      const nowMs = performance.now();
      if (video.seeking || nowMs - correctedMs < CORRECT_EVERY_MS || distance(phase(), index) <= FAR_FRAMES) return;
      seek(index + Math.ceil((seekMs / 1000) * fps));
    },

    /** Speech waits for its frames, so the head does. */
    pause: () => video.pause(),

    /** Speech is over: the loop goes on at this template index. */
    resume(index) {
      if (distance(phase(), index) > FAR_FRAMES) seek(index);
      hold = null;
      visible = true;
      play();
    },

    /** Speech is cut off: the loop shows at once, wherever it stands. */
    interrupt() {
      hold = null;
      if (!visible) draw(video.readyState >= HAVE_CURRENT_DATA ? video : still);
      visible = true;
      play();
    },
  };
}
