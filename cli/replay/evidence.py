"""The first difference as pictures: recorded, replayed, and what lies between them."""

from pathlib import Path
from typing import Final

import cv2
import numpy as np

from cli.replay.verify import Difference
from common.avatars.package import Picture
from common.errors import LipstreamError
from common.recording.hashes import hash_of
from common.recording.recording import Recording
from workers.offline.replay import Offline

GAIN: Final = 8
"""Differences of a few grey levels are to be seen."""


def decoded(jpeg: bytes) -> Picture:
    """The pixels of a JPEG, BGR."""
    return np.asarray(cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR), np.uint8)


def recorded_picture(recording: Recording, difference: Difference, offline: Offline | None) -> bytes | None:
    """The picture that was recorded: kept in the recording, or rendered now and known by its hash; None for neither.

    Parameters
    ----------
    offline : renders with the recorded avatars; None where that was done already, and gave the difference.
    """
    if difference.recorded.picture is not None:
        return difference.recorded.picture
    if offline is None:
        return None
    rendered = {shown.key: shown.picture for shown in offline.run(recording, [difference.key])}.get(difference.key)
    return rendered if rendered and hash_of(rendered) == difference.recorded.hash else None


def write_evidence(folder: Path, session: str, difference: Difference, recorded: bytes | None) -> list[Path]:
    """Write what there is of both pictures and, of the same size, their difference times `GAIN`, as PNG.

    Raises
    ------
    LipstreamError
        Nothing can be written there.
    """
    key = difference.key
    pictures = {"recorded": recorded, "replayed": difference.shown.picture if difference.shown else None}
    images = {name: decoded(jpeg) for name, jpeg in pictures.items() if jpeg}
    if len({image.shape for image in images.values()}) == 1 and len(images) == len(pictures):
        apart = cv2.absdiff(images["recorded"], images["replayed"])
        images["difference"] = np.asarray(cv2.convertScaleAbs(apart, alpha=GAIN), np.uint8)
    paths = []
    for name, image in images.items():
        path = folder / f"{session[:8]}-{key.epoch}-{key.audio}-{key.offset}-{name}.png"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            path.write_bytes(cv2.imencode(".png", image)[1].tobytes())
        except OSError as error:
            raise LipstreamError(f"cannot write {path}: {error.strerror}") from error
        paths.append(path)
    return paths
