import { createStackedChart, PARTS, partsOf } from "./chart.js";

const $ = (id) => document.getElementById(id);
const whole = (value) => (value === null || value === undefined ? "–" : String(Math.round(value)));
const tenth = (value) => (value === null ? "–" : value.toFixed(1));

/** The live numbers. @param {() => number} skewP95 */
export function createReadout() {
  const push = createStackedChart($("stages"), $("stages-top"));

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

    /** Once a second: what the server says of itself. */
    server(event, latencyMs) {
      const parts = partsOf(event, latencyMs);
      if (!parts) return;
      push(parts);
      for (const part of PARTS) $(`part-${part}`).textContent = whole(parts[part]);
    },
  };
}
