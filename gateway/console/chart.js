const POINTS = 60;

/**
 * A small line of the newest values, drawn into an SVG's `<path>`; the highest value touches the top.
 * @param {SVGSVGElement} svg with a `viewBox` that starts at 0 0
 */
export function createSparkline(svg) {
  const path = svg.querySelector("path");
  const { width, height } = svg.viewBox.baseVal;
  const values = [];

  return {
    /** @param {number} value */
    push(value) {
      values.push(value);
      if (values.length > POINTS) values.shift();
      const top = Math.max(...values, 1) * 1.15;
      const x = (index) => (width * (index + POINTS - values.length)) / (POINTS - 1);
      const y = (one) => height - 1 - (one / top) * (height - 2);
      path.setAttribute("d", values.map((one, k) => `${k ? "L" : "M"}${x(k).toFixed(1)} ${y(one).toFixed(1)}`).join(""));
    },
  };
}
