"""Looks at the face on the canvas and listens to what the page plays."""

import io
import urllib.request
from base64 import b64decode
from typing import Any, NamedTuple

import av
import cv2
import numpy as np
from numpy.typing import NDArray
from playwright.async_api import Page

from common.avatars.package import default_folder, load

LOOK_EVERY_MS = 120
AT_REST = 1.5
"""A closed mouth differs from the template video by less, in grey levels."""
ABOVE = 220, 20
"""From so far above the mouth to so little, in pixels: eyes and brow, which nothing paints over."""

HEAR = """
(() => {
  const connect = AudioNode.prototype.connect;
  const ears = new WeakMap();
  AudioNode.prototype.connect = function (target, ...rest) {
    if (target instanceof AudioDestinationNode && this instanceof AudioBufferSourceNode) {
      if (!ears.has(this.context)) ears.set(this.context, new AnalyserNode(this.context, { fftSize: 8192 }));
      const ear = ears.get(this.context);
      window.hearing = () => {
        const wave = new Float32Array(ear.fftSize);
        ear.getFloatTimeDomainData(wave);
        return { wave, rate_hz: this.context.sampleRate, latency_s: this.context.outputLatency };
      };
      window.loudness = () => {
        const wave = window.hearing().wave.subarray(-2048);
        return Math.sqrt(wave.reduce((sum, one) => sum + one * one, 0) / wave.length);
      };
      connect.call(this, ear);
    }
    return connect.call(this, target, ...rest);
  };
})();
"""
"""Lets a test hear what the page plays: the last sixth of a second of it, and how loud it is."""

WATCH = """
async ([[x, y, width, height], duration_ms, every_ms]) => {
  const small = new OffscreenCanvas(width / 4, height / 4).getContext("2d", { willReadFrequently: true });
  small.imageSmoothingQuality = "medium";
  const looks = [];
  const end_ms = performance.now() + duration_ms;
  while (performance.now() < end_ms && !window.enough) {
    small.drawImage(document.getElementById("screen"), x, y, width, height, 0, 0, width / 4, height / 4);
    const { data } = small.getImageData(0, 0, width / 4, height / 4);
    const pixels = btoa(String.fromCharCode(...data));
    looks.push({ pixels, loudness: window.loudness?.() ?? 0, at_ms: performance.now() });
    await new Promise((resolve) => setTimeout(resolve, every_ms));
  }
  return looks;
}
"""
"""The face on the canvas at a quarter of its size, RGBA, and the loudness of what is heard, time and again, until the
time is over or somebody has had `enough`.

The page itself keeps the time: between page and test a busy machine may take seconds."""


class Mouth(NamedTuple):
    """A part of the face: where it is on the canvas, and what it looks like at rest."""

    box: tuple[int, int, int, int]
    at_rest: NDArray[np.float32]
    """shape (template frames, pixels), as `grey` gives them"""

    def residual(self, pixels: bytes) -> NDArray[np.float32]:
        """What the template frame that is most alike leaves over: head motion is in the template, speech is not."""
        rest = self._rest(pixels)
        return np.asarray(rest[np.abs(rest).mean(axis=1).argmin()], np.float32)

    def nearest(self, pixels: bytes) -> int:
        """The template frame that is most alike."""
        return int(np.abs(self._rest(pixels)).mean(axis=1).argmin())

    def _rest(self, pixels: bytes) -> NDArray[np.float32]:
        return np.asarray(grey(np.frombuffer(pixels, np.uint8).reshape(-1, 4)) - self.at_rest, np.float32)


class Watched(NamedTuple):
    """What was seen and heard for some seconds; a row for each look."""

    residuals: NDArray[np.float32]
    loudness: NDArray[np.float32]
    indices: NDArray[np.int64]
    """of the template frames that are most alike"""
    at_s: NDArray[np.float64]
    """by the clock of the page"""

    @property
    def opening(self) -> float:
        """Grey levels by which the face differs from the template at most."""
        return float(np.abs(self.residuals).mean(axis=1).max())

    @property
    def motion(self) -> float:
        """Grey levels by which the face differs from itself, beyond what the head does."""
        return float(np.abs(self.residuals[:, None] - self.residuals).mean(axis=2).max())


def grey(pixels: NDArray[Any]) -> NDArray[np.float32]:
    """Grey levels around their mean: browsers and FFmpeg differ in how they bring video to RGB."""
    grey = pixels[..., :3].mean(axis=-1, dtype=np.float32).reshape(-1)
    return np.asarray(grey - grey.mean(), np.float32)


def mouth_of_demo(url: str) -> Mouth:
    """The demo's face crop, in every frame of the template video that the page shows."""
    return _part(url, load(default_folder(), "demo").crops[0])


def eyes_of_demo(url: str) -> Mouth:
    """What is above the crop: it tells where in the template the head is, whatever the mouth does."""
    x1, y1, x2, _ = load(default_folder(), "demo").crops[0]
    far, near = ABOVE
    return _part(url, (x1, y1 - far, x2, y1 - near))


def _part(url: str, box: tuple[int, int, int, int]) -> Mouth:
    x1, y1, x2, y2 = box
    size = (x2 - x1) // 4, (y2 - y1) // 4
    with urllib.request.urlopen(f"{url}/api/avatars/demo/template.mp4") as answer:
        video = io.BytesIO(answer.read())
    with av.open(video, mode="r") as container:
        faces = [
            grey(cv2.resize(frame.to_ndarray(format="rgb24")[y1:y2, x1:x2], size, interpolation=cv2.INTER_AREA))
            for frame in container.decode(video=0)
        ]
    return Mouth((x1, y1, x2 - x1, y2 - y1), np.stack(faces))


async def watch(page: Page, mouth: Mouth, duration_s: float) -> Watched:
    """Look and listen, some times a second."""
    looks = await page.evaluate(WATCH, [mouth.box, duration_s * 1000, LOOK_EVERY_MS])
    pixels = [b64decode(look["pixels"]) for look in looks]
    return Watched(
        residuals=np.stack([mouth.residual(one) for one in pixels]),
        loudness=np.array([look["loudness"] for look in looks], np.float32),
        indices=np.array([mouth.nearest(one) for one in pixels]),
        at_s=np.array([look["at_ms"] / 1000 for look in looks]),
    )
