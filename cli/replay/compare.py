"""Two models over one recording, side by side: a film or a contact sheet, and how alike each frame is."""

from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Final, NamedTuple

import cv2
import numpy as np

from cli.progress import bar
from cli.replay.evidence import decoded
from cli.replay.plot import plot
from cli.replay.similarity import ssim
from common.avatars.package import Picture
from common.errors import InputError, LipstreamError
from common.recording.recording import Key, Recording
from workers.offline.film import filming
from workers.offline.replay import Offline, Shown

SHEET_ROWS: Final = 12
SHEET_WIDTH_PX: Final = 480
FILM_QUALITY: Final = 92


class Pair(NamedTuple):
    """The same frame of both models; the second in the size of the first."""

    key: Key
    first: Picture
    second: Picture


class Comparison(NamedTuple):
    """How alike the frames of two models are, in the order of the recording."""

    session: str
    first: str
    second: str
    ssim: list[float]
    output: str | None
    plot: str | None

    @property
    def worst(self) -> int:
        """The frame that differs most."""
        return int(np.argmin(self.ssim))

    def as_dict(self) -> dict[str, Any]:
        scores = {"mean": self.mean, "min": self.ssim[self.worst], "worst_frame": self.worst}
        return self._asdict() | {"ssim": [round(value, 5) for value in self.ssim]} | scores

    @property
    def mean(self) -> float:
        return float(np.mean(self.ssim))

    def as_text(self) -> str:
        same = sum(value == 1 for value in self.ssim)
        lines = [
            f"{self.first} | {self.second}: {len(self.ssim)} frames, {same} of them the same",
            f"SSIM mean {self.mean:.4f}, least {self.ssim[self.worst]:.4f} at frame {self.worst}",
        ]
        return "\n".join(lines + [f"  {path}" for path in (self.output, self.plot) if path])


def compare(
    recording: Recording, first: Offline, second: Offline, titles: tuple[str, str], output: Path | None
) -> Comparison:
    """Run a recording with two models.

    Parameters
    ----------
    output : an .mp4 for a film, a .png for a contact sheet; a plot of the similarity is written beside either.

    Raises
    ------
    InputError
        `output` is neither, the recording has no frames, or the avatars have different frame rates.
    LipstreamError
        Nothing can be written there.
    """
    kind = output.suffix.lower() if output else None
    if kind not in (None, ".mp4", ".png"):
        raise InputError(f"{output}: a comparison is written as .mp4 or .png", field="output")
    if not recording.frames:
        raise InputError("the recording has no frames", field="rec")
    scores: list[float] = []
    rows: list[Picture] = []
    every = max(1, len(recording.frames) // SHEET_ROWS)
    with (
        filming(recording, output) if kind == ".mp4" else nullcontext() as take,
        bar("comparing", len(recording.frames)) as advance,
    ):
        for pair in _pairs(recording, first, second):
            if kind == ".png" and len(scores) % every == 0:
                rows.append(_row(pair))
            scores.append(ssim(pair.first, pair.second))
            if take:
                take(Shown(pair.key, _jpeg(np.hstack([pair.first, pair.second]))))
            advance()
    drawn = output.with_suffix(".svg") if output else None
    if output and kind == ".png":
        _write(output, cv2.imencode(".png", np.vstack(rows))[1].tobytes())
    if drawn:
        _write(drawn, plot(scores, recording.header.fps, f"SSIM, {titles[0]} | {titles[1]}").encode())
    return Comparison(
        recording.header.session, *titles, scores, str(output) if output else None, str(drawn) if drawn else None
    )


def _pairs(recording: Recording, first: Offline, second: Offline) -> Iterator[Pair]:
    for one, other in zip(first.run(recording), second.run(recording), strict=True):
        if one.key in recording.frames:
            picture = decoded(one.picture)
            height, width = picture.shape[:2]
            resized = cv2.resize(decoded(other.picture), (width, height), interpolation=cv2.INTER_AREA)
            yield Pair(one.key, picture, np.asarray(resized, np.uint8))


def _row(pair: Pair) -> Picture:
    """A row of the contact sheet, with the number of the frame in its segment."""
    both = np.hstack([pair.first, pair.second])
    height = round(both.shape[0] * SHEET_WIDTH_PX / both.shape[1])
    row = cv2.resize(both, (SHEET_WIDTH_PX, height), interpolation=cv2.INTER_AREA)
    text = f"{pair.key.epoch}/{pair.key.audio}/{pair.key.offset}"
    for colour, thickness in ((0, 3), (255, 1)):
        cv2.putText(row, text, (6, 16), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (colour,) * 3, thickness, cv2.LINE_AA)
    return np.asarray(row, np.uint8)


def _jpeg(picture: Picture) -> bytes:
    return bytes(cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, FILM_QUALITY])[1].tobytes())


def _write(path: Path, data: bytes) -> None:
    try:
        path.write_bytes(data)
    except OSError as error:
        raise LipstreamError(f"cannot write {path}: {error.strerror}") from error
