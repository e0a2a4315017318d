"""Which frame is on the canvas, and which sound is heard with it: told by pixels and samples, not by the page."""

import json
from base64 import b64decode
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from playwright.async_api import Page, WebSocket

from common.frames import FrameHeader
from tests.e2e.watching import Mouth, grey

RATE_HZ = 24_000
"""of the sound that the console sends"""
FPS = 25
LOOK_EVERY_MS = 80
ALIKE = 0.9
"""What is heard correlates at least so well with what was sent."""
QUIET = 0.005
"""A root mean square; what is no louder is like any other silence."""
STOOD_STILL_MS = 40

LOOK = """
async ([[x, y, width, height], most, every_ms]) => {
  const small = new OffscreenCanvas(width / 4, height / 4).getContext("2d", { willReadFrequently: true });
  small.imageSmoothingQuality = "medium";
  const text = ({ buffer }) => btoa(String.fromCharCode(...new Uint8Array(buffer)));
  const { stats } = window.lipstream;
  const looks = [];
  while (looks.length < most && document.documentElement.dataset.state === "speaking") {
    // Who asks outside of a paint comes behind the player in the next one.
    await new Promise((resolve) => setTimeout(resolve, every_ms));
    const before = stats.framesShown;
    const paint_ms = await new Promise(requestAnimationFrame);
    if (stats.framesShown === before) continue;
    const { wave, rate_hz, latency_s } = window.hearing();
    const held_ms = performance.now() - paint_ms;
    small.drawImage(document.getElementById("screen"), x, y, width, height, 0, 0, width / 4, height / 4);
    const { data } = small.getImageData(0, 0, width / 4, height / 4);
    looks.push({ pixels: text(data), wave: text(wave), rate_hz, latency_s, held_ms });
  }
  return looks;
}
"""
"""The face and the sound of the last moment, each time right behind the drawing of a frame, until the speech is over.

`held_ms`: between the beginning of the paint and the listening; when it is long, the page stood still."""


class Wire:
    """What page and server have said to each other, over one connection."""

    def __init__(self) -> None:
        self.sound = bytearray()
        self.frames: list[tuple[FrameHeader, bytes]] = []
        self.segments: list[dict[str, Any]] = []

    def tap(self, socket: WebSocket) -> None:
        socket.on("framesent", self._sent)
        socket.on("framereceived", self._received)

    def _sent(self, message: str | bytes) -> None:
        if isinstance(message, bytes):
            self.sound += message

    def _received(self, message: str | bytes) -> None:
        if isinstance(message, bytes):
            self.frames.append(FrameHeader.unpack(message))
        elif (event := json.loads(message))["type"] == "segment":
            self.segments.append(event)

    def due_s(self, frame: int) -> float:
        """Where in the sound that was sent a frame begins."""
        segment = next(one for one in reversed(self.segments) if one["first_frame"] <= frame)
        return float(segment["audio"] / RATE_HZ + (frame - segment["first_frame"]) / FPS)

    def faces(self, box: tuple[int, int, int, int]) -> NDArray[np.float32]:
        """A part of each frame, shape (frames, pixels), as `grey` gives them."""
        return np.stack([_face(jpeg, box) for _, jpeg in self.frames])

    def heard_s(self, wave: NDArray[np.float32], rate_hz: float) -> float | None:
        """Where in the sound that was sent a piece of what is heard ends; None where that cannot be told."""
        sent = np.asarray(np.frombuffer(bytes(self.sound), "<i2") / 32768, np.float32)
        count = int(len(wave) * RATE_HZ / rate_hz)
        heard = np.interp(np.arange(count) * rate_hz / RATE_HZ, np.arange(len(wave)), wave).astype(np.float32)
        place = _place(heard, sent)
        return None if place is None else (place + count) / RATE_HZ


def _face(jpeg: bytes, box: tuple[int, int, int, int]) -> NDArray[np.float32]:
    x, y, width, height = box
    picture = np.asarray(cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR))[y : y + height, x : x + width]
    return grey(cv2.resize(picture, (width // 4, height // 4), interpolation=cv2.INTER_AREA))


def _place(piece: NDArray[np.float32], whole: NDArray[np.float32]) -> int | None:
    """Sample of the whole at which a piece of it begins; None of one that is quiet, or not in it."""
    quiet = len(piece) * QUIET**2
    if piece @ piece < quiet:
        return None
    sums = np.cumsum(np.append(0.0, whole.astype(np.float64) ** 2))
    powers = sums[len(piece) :] - sums[: -len(piece)]
    products = cv2.matchTemplate(whole[None], piece[None], cv2.TM_CCORR)[0]
    alike = products / np.sqrt((powers + quiet) * (piece @ piece))
    return int(alike.argmax()) if alike.max() > ALIKE else None


async def lateness_ms(page: Page, wire: Wire, mouth: Mouth, most: int) -> NDArray[np.float64]:
    """By how much the frame on the canvas is behind the sound that is heard; `most`: looks that are taken."""
    looks = await page.evaluate(LOOK, [mouth.box, most, LOOK_EVERY_MS])
    frames = Mouth(mouth.box, wire.faces(mouth.box))
    late_ms = []
    for look in looks:
        frame = wire.frames[frames.nearest(b64decode(look["pixels"]))][0].frame
        end_s = wire.heard_s(np.frombuffer(b64decode(look["wave"]), np.float32), look["rate_hz"])
        if end_s is not None and look["held_ms"] < STOOD_STILL_MS:
            late_ms.append((end_s - look["latency_s"] - wire.due_s(frame)) * 1000)
    return np.array(late_ms)
