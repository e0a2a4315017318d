/**
 * The canvas on which the face is. It takes the size of the avatar with the first picture that it shows of it, so that
 * it is never empty.
 * @param {HTMLCanvasElement} canvas
 */
export function createScreen(canvas) {
  const context = canvas.getContext("2d", { alpha: false });
  let size = null;

  function resize() {
    if (!size) return;
    if (canvas.width !== size.width || canvas.height !== size.height) Object.assign(canvas, size);
    size = null;
  }

  return {
    /** @param {{width: number, height: number}} avatar whose pictures come next */
    fit: ({ width, height }) => (size = { width, height }),

    /** @param {CanvasImageSource} picture fills the canvas */
    fill(picture) {
      resize();
      context.drawImage(picture, 0, 0, canvas.width, canvas.height);
    },

    /** @param {CanvasImageSource} picture @param {[number, number, number, number]} bounds x1, y1, x2, y2 */
    put(picture, [x1, y1, x2, y2]) {
      resize();
      context.drawImage(picture, x1, y1, x2 - x1, y2 - y1);
    },
  };
}
