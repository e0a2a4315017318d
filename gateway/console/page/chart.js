const SVG = "http://www.w3.org/2000/svg";
const BARS = 60;
const WIDTH = 240;
const HEIGHT = 80;

/** The parts of a frame's way, in the order of its way. */
export const PARTS = ["browser", "compositor", "inference", "audio", "gateway"];

const make = (name, attributes) => {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
};

/**
 * The last minute, a bar a second; each bar is a stack of parts.
 * @param {SVGSVGElement} svg
 * @param {HTMLElement} scale says what the top of the chart is
 * @param {object} options
 * @param {string[]} options.parts from the top down
 * @param {number[]} options.tops what the top may be; the least that all bars fit under is taken
 * @param {string} options.unit
 */
export function createBars(svg, scale, { parts, tops, unit }) {
  const bars = [];
  svg.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);

  /** @param {Record<string, number>} values of the second that is over, by part */
  return function push(values) {
    bars.push(values);
    if (bars.length > BARS) bars.shift();
    const most = Math.max(...bars.map((bar) => parts.reduce((sum, part) => sum + bar[part], 0)));
    const top = tops.find((one) => one >= most) ?? most;
    const step = WIDTH / BARS;
    svg.replaceChildren(
      ...bars.flatMap((bar, k) => {
        let y = HEIGHT;
        const x = WIDTH - (bars.length - k) * step;
        return parts.toReversed().map((part) => {
          const height = (bar[part] / top) * HEIGHT;
          y -= height;
          return make("rect", { class: part, x, y, width: step * 0.72, height });
        });
      }),
    );
    scale.textContent = `${Math.round(top)} ${unit}`;
  };
}

/**
 * One number over the last minute, with a name that says it in words.
 * @param {SVGSVGElement} svg
 * @param {HTMLElement} scale
 * @param {{name: string, tops: number[], unit: string}} options
 * @returns {(value: number | null) => void} once a second; null: there is no such number now, and no bar
 */
export function createSparkline(svg, scale, { name, tops, unit }) {
  const push = createBars(svg, scale, { parts: ["value"], tops, unit });
  let recent = [];

  return (value) => {
    push({ value: value ?? 0 });
    recent = [...recent, value].slice(-BARS);
    const known = recent.filter((one) => one !== null).map(Math.round);
    const range = known.length ? `${Math.min(...known)} to ${Math.max(...known)} ${unit}` : "nothing yet";
    svg.setAttribute("aria-label", `${name} in the last minute: ${range}`);
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
