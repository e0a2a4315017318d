const POINTS = 60;

/**
 * A small line of the newest values, as the `.line` and `.area` paths of an SVG; the highest value is near the top.
 * @param {SVGSVGElement} svg with a `viewBox` that starts at 0 0
 */
export function createSparkline(svg) {
  const { width, height } = svg.viewBox.baseVal;
  const values = [];

  /** @param {number} value */
  return function push(value) {
    values.push(value);
    if (values.length > POINTS) values.shift();
    const top = Math.max(...values, 1) * 1.15;
    const step = width / Math.max(12, values.length - 1);
    const points = values.map((one, k) => `${(k * step).toFixed(1)} ${(height * (1 - one / top)).toFixed(1)}`);
    const line = `M${points.join("L")}`;
    svg.querySelector(".line").setAttribute("d", line);
    svg.querySelector(".area").setAttribute("d", `${line}V${height}H0Z`);
  };
}
