const SVG = "http://www.w3.org/2000/svg";
const BARS = 60;
const WIDTH = 240;
const HEIGHT = 80;
const GRID_MS = [25, 50, 100, 200, 400, 800, 1600];

/** The parts of a frame's way, in the order of its way. */
export const PARTS = ["browser", "compositor", "inference", "audio", "gateway"];

const make = (name, attributes) => {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
};

/**
 * Where a frame's time goes, a bar a second, stacked.
 * @param {SVGSVGElement} svg
 * @param {HTMLElement} scale says what the top of the chart is
 */
export function createStackedChart(svg, scale) {
  const bars = [];
  svg.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);

  /** @param {Record<string, number>} parts milliseconds */
  return function push(parts) {
    bars.push(parts);
    if (bars.length > BARS) bars.shift();
    const sums = bars.map((bar) => PARTS.reduce((sum, part) => sum + bar[part], 0));
    const top = GRID_MS.find((ms) => ms >= Math.max(...sums)) ?? Math.max(...sums);
    const step = WIDTH / BARS;
    svg.replaceChildren(
      ...bars.flatMap((bar, k) => {
        let y = HEIGHT;
        const x = WIDTH - (bars.length - k) * step;
        return PARTS.toReversed().map((part) => {
          const height = (bar[part] / top) * HEIGHT;
          y -= height;
          return make("rect", { class: part, x, y, width: step * 0.72, height });
        });
      }),
    );
    scale.textContent = `${Math.round(top)} ms`;
  };
}

/**
 * The stages' times and what is left of the whole for the gateway and the way to the browser.
 * @param {{stages: Record<string, {wait_ms: number, work_ms: number}>, latency_ms: {p50: number | null}}} stats
 * @param {number | null} latencyMs as measured in the browser
 * @returns {Record<string, number> | null} null: nothing to show yet
 */
export function partsOf({ stages = {}, latency_ms }, latencyMs) {
  const inServer = latency_ms?.p50;
  if (inServer == null) return null;
  const at = (name) => (stages[name] ? stages[name].wait_ms + stages[name].work_ms : 0);
  const [audio, inference, compositor] = ["audio", "inference", "compositor"].map(at);
  return {
    audio,
    inference,
    compositor,
    gateway: Math.max(0, inServer - audio - inference - compositor),
    browser: Math.max(0, (latencyMs ?? inServer) - inServer),
  };
}
