"""Mouths of an avatar that speaks a recording, each over the sound that it is made of, as one picture to look at.

    python -m bench.contact_sheet sheet.jpg [--audio speech.wav] [--avatar demo] [--start 0.4] [--every 2]

Every second frame from `--start` (seconds) on, row by row, with its time. Below each: the waveform around it, a third
of a second, and in black the frame's own 40 ms. Without `--audio` it is the recording that the console plays.
"""

import argparse
from importlib.resources import files
from itertools import islice, pairwise
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from common.avatars.package import Avatar, Picture, default_folder, load
from common.avatars.pixels import resize
from common.frames import FrameHeader
from common.media import SAMPLE_RATE_HZ
from common.settings import Settings
from workers.offline.media import Clip, read_audio
from workers.offline.render import View, load_stages, pcm_of, render_frames

Samples = NDArray[np.int16]

COLUMNS: Final = 6
ROWS: Final = 4
CELL_PX: Final = 200
"""Width of a mouth."""
LABEL_PX: Final = 14
WAVE_PX: Final = 40
AROUND_SAMPLES: Final = SAMPLE_RATE_HZ // 6
"""What is drawn of the sound before and behind the middle of a frame."""
BLACK, GREY = (0, 0, 0), (170, 170, 170)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=Path)
    parser.add_argument("--audio", type=Path, default=Path(str(files("gateway") / "console" / "sample.flac")))
    parser.add_argument("--avatar", default="demo")
    parser.add_argument("--start", type=float, default=0.4, help="seconds")
    parser.add_argument("--every", type=int, default=2, help="frames from one mouth to the next")
    arguments = parser.parse_args()
    avatar = load(default_folder(), arguments.avatar)
    sheet = contact_sheet(read_audio(arguments.audio), avatar, arguments.start, arguments.every)
    if not cv2.imwrite(str(arguments.output), sheet, [cv2.IMWRITE_JPEG_QUALITY, 88]):
        raise SystemExit(f"cannot write {arguments.output}")


def contact_sheet(clip: Clip, avatar: Avatar, start_s: float, every: int) -> Picture:
    """The sheet, uint8, BGR; recordings that end early leave it shorter."""
    settings, pcm, fps = Settings(), pcm_of(clip), avatar.manifest.fps
    first = round(start_s * fps)
    messages = render_frames(avatar.manifest, load_stages(avatar, settings), pcm, settings, View(output="patch"))
    shown = list(islice(messages, first, first + COLUMNS * ROWS * every, every))
    if not shown:
        raise SystemExit(f"the recording ends before {start_s} s")
    samples = np.frombuffer(pcm, np.int16)
    cells = [_cell(message, samples, avatar.manifest.samples_per_frame, fps) for message in shown]
    cells += [np.full_like(cells[0], 255)] * (-len(cells) % COLUMNS)
    rows = [np.hstack(cells[row : row + COLUMNS]) for row in range(0, len(cells), COLUMNS)]
    return np.vstack(rows)


def _cell(message: bytes, samples: Samples, samples_per_frame: int, fps: int) -> Picture:
    header, jpeg = FrameHeader.unpack(message)
    mouth = np.asarray(cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR), np.uint8)
    height = round(mouth.shape[0] * CELL_PX / mouth.shape[1])
    mouth = resize(mouth, (CELL_PX, height), "area")
    wave = _wave(samples, header.frame * samples_per_frame, samples_per_frame)
    label = np.full((LABEL_PX, CELL_PX, 3), 255, np.uint8)
    text, corner = f"{header.frame / fps:.2f} s", (4, LABEL_PX - 3)
    cv2.putText(label, text, corner, cv2.FONT_HERSHEY_SIMPLEX, 0.36, BLACK, 1, cv2.LINE_AA)
    return np.pad(np.vstack([mouth, label, wave]), ((2, 2), (2, 2), (0, 0)), constant_values=255)


def _wave(samples: Samples, start: int, length: int) -> Picture:
    """The sound around the frame of `length` samples that begins at `start`, loudest peak of the recording = height."""
    strip = np.full((WAVE_PX, CELL_PX, 3), 255, np.uint8)
    middle, loudest = start + length // 2, max(1, int(np.abs(samples.astype(np.int32)).max()))
    edges = np.linspace(middle - AROUND_SAMPLES, middle + AROUND_SAMPLES, CELL_PX + 1).astype(int)
    for x, (left, right) in enumerate(pairwise(edges)):
        heard = samples[max(0, left) : max(0, right)].astype(np.int32)
        reach = round(np.abs(heard).max(initial=0) / loudest * (WAVE_PX // 2 - 1))
        colour = BLACK if start <= left < start + length else GREY
        cv2.line(strip, (x, WAVE_PX // 2 - reach), (x, WAVE_PX // 2 + reach), colour)
    return strip


if __name__ == "__main__":
    main()
