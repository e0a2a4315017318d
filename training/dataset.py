"""The rendered talking-head data set: its clips, its template loop and the split by voice."""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import soundfile as sf
from numpy.typing import NDArray

SAMPLE_RATE_HZ: Final = 16_000
FRAME_RATE_HZ: Final = 25
VISEMES: Final = (
    "sil", "PP", "FF", "TH", "DD", "KK", "CH", "SS", "RR", "LL", "AA", "EH", "AH", "EE", "OH", "OO",
)  # fmt: skip
HELD_OUT_VOICES: Final = ("kal16", "en+f2", "es+m2", "fr+f4")
"""Voices neither network is trained on: not their pictures, not their synthetic speech."""

CROP_PX: Final = 350
FACE_PX: Final = 328
REGION_X_PX: Final = 15
REGION_Y_PX: Final = 142
REGION_WIDTH_PX: Final = 320
REGION_HEIGHT_PX: Final = 208


@dataclass(frozen=True, slots=True)
class Clip:
    """One clip of pictures with its sound and its labels, one row per video frame."""

    folder: Path
    voice: str
    template_frames: tuple[int, ...]

    @property
    def held_out(self) -> bool:
        """Whether this clip's voice is kept from training."""
        return self.voice in HELD_OUT_VOICES

    def visemes(self) -> NDArray[np.float32]:
        """Return viseme weights, shape (n_frames, 16), rows sum to 1."""
        weights: NDArray[np.float32] = np.load(self.folder / "visemes.npy")
        return weights

    def openness(self) -> NDArray[np.float32]:
        """Return the inner-lip opening, shape (n_frames,), in pixels of the 328 px face."""
        opening: NDArray[np.float32] = np.load(self.folder / "openness.npy")
        return opening

    def audio(self) -> NDArray[np.float32]:
        """Return mono sound, shape (n_samples,), in [-1, 1] at 16 kHz."""
        sound, _ = sf.read(self.folder / "audio.wav", dtype="float32")
        return np.asarray(sound, dtype=np.float32)

    def face(self, frame: int) -> NDArray[np.uint8]:
        """Return one picture, shape (328, 328, 3), BGR."""
        return read_image(self.folder / "faces" / f"{frame:05d}.jpg")


def clips(data: Path) -> list[Clip]:
    """List the clips with pictures, silent ones included (their voice is ``none``)."""
    found = []
    for folder in sorted((data / "train").iterdir()):
        meta = json.loads((folder / "meta.json").read_text())
        found.append(Clip(folder, meta["voice"], tuple(meta["template_frames"])))
    return found


@cache
def template_crops(data: Path) -> tuple[tuple[int, int, int, int], ...]:
    """Return the 350 px face square (x1, y1, x2, y2) of every template frame, ends exclusive."""
    boxes = json.loads((data / "template" / "crops.json").read_text())["crops"]
    return tuple((x1, y1, x2, y2) for x1, y1, x2, y2 in boxes)


def region_of(crop: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
    """Return the painted rectangle (x1, y1, x2, y2) that lies in a face square."""
    left, top = crop[0] + REGION_X_PX, crop[1] + REGION_Y_PX
    return left, top, left + REGION_WIDTH_PX, top + REGION_HEIGHT_PX


def read_image(path: Path) -> NDArray[np.uint8]:
    """Read one picture, shape (height, width, 3), BGR."""
    image = cv2.imread(str(path))
    if image is None:
        raise FileNotFoundError(path)
    return np.asarray(image, dtype=np.uint8)


def read_video(path: Path) -> list[NDArray[np.uint8]]:
    """Decode every frame of a video, each (height, width, 3), BGR."""
    capture = cv2.VideoCapture(str(path))
    frames: list[NDArray[np.uint8]] = []
    while True:
        got, frame = capture.read()
        if not got:
            return frames
        frames.append(np.asarray(frame, dtype=np.uint8))
