"""What exchanging JPEG segments saves: a frame's face pasted and encoded alone, against encoding the whole picture.

    python -m bench.compositor [--rounds 5] [--json]

Both sides paste the same patch 1:1 and end with the same bytes, which is checked before anything is timed. Times are
milliseconds of one thread a frame: the median over rounds of each round's median, and the least of all.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import cv2
import numpy as np

from common.avatars.package import Picture
from workers.compositor import jpeg
from workers.compositor.jpeg import Rect
from workers.compositor.pictures import face_of

QUALITY = 85


class Case(NamedTuple):
    """A picture size, and the side of the square crop in it; all in pixels."""

    name: str
    width: int
    height: int
    crop: int


CASES = (Case("720p", 1280, 720, 184), Case("1080p", 1920, 1080, 276))


class Timing(NamedTuple):
    """Milliseconds a frame."""

    median_ms: float
    least_ms: float


def textured_picture(width: int, height: int) -> Picture:
    """A picture about as hard to encode as a portrait: noise at four scales, the coarse ones strongest."""
    rng = np.random.default_rng(0)
    layers = [
        scale * cv2.GaussianBlur(rng.normal(0, 4, (height, width, 3)).astype(np.float32), (0, 0), scale)
        for scale in (1, 4, 16, 64)
    ]
    picture: Picture = np.clip(128 + np.sum(layers, axis=0), 0, 255).astype(np.uint8)
    return picture


def measure(work: Callable[[], object], rounds: int, frames: int = 40) -> Timing:
    """Time `rounds` rounds of `frames` calls each, after one round that is not counted."""
    medians, least = [], float("inf")
    for counted in (False, *[True] * rounds):
        times = []
        for _ in range(frames):
            start = time.perf_counter()
            work()
            times.append(1000 * (time.perf_counter() - start))
        if counted:
            medians.append(statistics.median(times))
            least = min(least, *times)
    return Timing(round(statistics.median(medians), 4), round(least, 4))


def run(case: Case, rounds: int) -> dict[str, Any]:
    """Compare both ways for one picture size."""
    picture = textured_picture(case.width, case.height)
    grid = jpeg.segment_grid(case.width, case.height)
    x, y = (case.width - case.crop) // 2, case.height // 3
    crop: Rect = (x, y, x + case.crop, y + case.crop)
    patch = np.ascontiguousarray(picture[y : y + case.crop, x : x + case.crop][::-1])
    face = face_of(picture, crop, grid)
    remains = jpeg.cut(jpeg.encode(picture, QUALITY, grid), face.region)

    def whole() -> bytes:
        return jpeg.encode(_pasted(picture, crop, patch), QUALITY, grid)

    def segments() -> bytes:
        return jpeg.fill(remains, jpeg.encode(_pasted(face.pixels, face.crop, patch), QUALITY, grid))

    if whole() != segments():
        raise AssertionError(f"{case.name}: the exchanged segments differ from the whole picture's")
    full, exchanged = measure(whole, rounds), measure(segments, rounds)
    return {
        "picture": case.name,
        "crop_px": case.crop,
        "region_px": [face.pixels.shape[1], face.pixels.shape[0]],
        "bytes": len(whole()),
        "whole": full._asdict(),
        "segments": exchanged._asdict(),
        "ratio": round(full.median_ms / exchanged.median_ms, 2),
    }


def _pasted(picture: Picture, rect: Rect, patch: Picture) -> Picture:
    x1, y1, x2, y2 = rect
    changed = picture.copy()
    changed[y1:y2, x1:x2] = patch
    return changed


def main() -> None:
    """Print the comparison."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="rounds of 40 frames (default: 5)")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    results = [run(case, options.rounds) for case in CASES]
    if options.json:
        print(json.dumps(results, indent=2))
        return
    print(f"{'picture':>8} {'region':>9} {'whole ms':>9} {'segments ms':>12} {'ratio':>6}")
    for result in results:
        width, height = result["region_px"]
        row = result["whole"]["median_ms"], result["segments"]["median_ms"], result["ratio"]
        print(f"{result['picture']:>8} {width:>4}x{height:<4} {row[0]:>9.3f} {row[1]:>12.3f} {row[2]:>6.2f}")


if __name__ == "__main__":
    main()
