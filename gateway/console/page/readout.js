import { createBars, createSparkline, PARTS, partsOf } from "./chart.js";

const $ = (id) => document.getElementById(id);
const whole = (value) => (value === null || value === undefined ? "–" : String(Math.round(value)));
const tenth = (value) => (value === null ? "–" : value.toFixed(1));

const STAGES = { parts: PARTS, tops: [25, 50, 100, 200, 400, 800, 1600], unit: "ms" };
const FPS = { name: "Frame rate", tops: [10, 30, 60, 120], unit: "fps" };
const BUFFERED = { name: "Buffered", tops: [250, 500, 1000, 2000, 4000, 8000], unit: "ms" };

/** The live numbers. */
export function createReadout() {
  const push = createBars($("stages"), $("stages-top"), STAGES);
  const pushFps = createSparkline($("fps-chart"), $("fps-top"), FPS);
  const pushBuffered = createSparkline($("buffered-chart"), $("buffered-top"), BUFFERED);

  return {
    /** @param {ReturnType<import("./meter.js").createMeter>["stats"]} stats */
    show(stats, isSpeaking) {
      $("latency").textContent = whole(stats.latencyMs);
      $("fps").textContent = whole(isSpeaking ? stats.fps : null);
      $("skew").textContent = tenth(stats.skewP95Ms);
      $("buffered").textContent = whole(isSpeaking ? stats.bufferedMs : null);
      $("dropped").textContent = String(stats.framesDropped);
      $("concealed").textContent = String(stats.framesConcealed);
      $("rate").textContent = isSpeaking ? (stats.bytesPerS / 1024).toFixed(0) : "–";
      $("in-flight").textContent = whole(stats.server?.in_flight);
      $("server-buffered").textContent = whole(stats.server?.buffered_ms);
    },

    /** Once a second: what the charts remember. */
    remember(stats, isSpeaking) {
      pushFps(isSpeaking ? stats.fps : null);
      pushBuffered(isSpeaking ? stats.bufferedMs : null);
    },

    /** Once a second: what the server says of itself. */
    server(event, latencyMs) {
      const parts = partsOf(event, latencyMs);
      if (!parts) return;
      push(parts);
      for (const part of PARTS) $(`part-${part}`).textContent = whole(parts[part]);
    },
  };
}
