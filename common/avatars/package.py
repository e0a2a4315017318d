"""Finding avatar packages and reading their files; a name never reaches the disk before it is known to be a name."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from common.avatars.manifest import Manifest
from common.avatars.timeline import lookahead_samples, lookback_samples
from common.contracts import NAME_PATTERN
from common.errors import AvatarError

MANIFEST_FILE = "avatar.json"
_VIDEO = {"format_whitelist": "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi", "protocol_whitelist": "file"}
"""FFmpeg opens these and nothing else: a playlist would make it open whatever files and addresses it names."""
Picture = NDArray[np.uint8]
"""uint8, shape (height, width, 3), BGR."""


@dataclass(frozen=True, slots=True)
class Avatar:
    """A package on disk: its manifest, its crops, and where its files are."""

    manifest: Manifest
    folder: Path
    crops: tuple[tuple[int, int, int, int], ...]

    @property
    def name(self) -> str:
        return self.manifest.name

    def file(self, name: str) -> Path:
        """A file of the package.

        Raises
        ------
        AvatarError
            The package lacks it, or it is a link that leaves the package.
        """
        return _inside(self.folder, name)

    def template_frames(self) -> Iterator[Picture]:
        """The template's pictures in order, decoded one at a time.

        Raises
        ------
        AvatarError
            The video is missing, broken, or not of the announced size or length.
        """
        template = self.manifest.image.template
        count = 0
        try:
            with av.open(str(self.file(template.video)), options=_VIDEO) as container:
                for frame in container.decode(video=0):
                    if (frame.width, frame.height) != (template.width, template.height):
                        raise AvatarError(f"avatar '{self.name}': {template.video} is {frame.width}x{frame.height}")
                    if count == template.frames:
                        break
                    yield np.asarray(frame.to_ndarray(format="bgr24"), dtype=np.uint8)
                    count += 1
        except av.FFmpegError as error:
            raise AvatarError(f"avatar '{self.name}': cannot decode {template.video}: {error}") from error
        if count < template.frames:
            raise AvatarError(f"avatar '{self.name}': {template.video} has {count} frames of {template.frames}")


def default_folder() -> Path:
    """Where the avatars that ship with Lipstream are."""
    return Path(str(files("avatars")))


def names(folder: Path) -> list[str]:
    """The avatars in a folder, by name."""
    return sorted(path.parent.name for path in folder.glob(f"*/{MANIFEST_FILE}"))


def load(folder: Path, name: str) -> Avatar:
    """Read a package and check that it is whole.

    Raises
    ------
    AvatarError
        The name is unknown, or the package is broken or needs what this version cannot do.
    """
    if not re.match(NAME_PATTERN, name) or not (folder / name / MANIFEST_FILE).is_file():
        known = ", ".join(names(folder)) or "none"
        raise AvatarError(f"unknown avatar '{name[:64]}'; known: {known}", field="avatar")
    manifest = _read_manifest(folder / name / MANIFEST_FILE)
    if manifest.name != name:
        raise AvatarError(f"the package in folder '{name}' calls itself '{manifest.name}'")
    if missing := manifest.unsupported():
        raise AvatarError(f"avatar '{name}' needs what this version cannot do: {'; '.join(missing)}")
    _check_reach(manifest)
    avatar = Avatar(manifest, folder / name, _read_crops(manifest, folder / name))
    for file in (*manifest.models, manifest.image.template.video):
        avatar.file(file)
    return avatar


def _inside(folder: Path, name: str) -> Path:
    path = folder / name
    if not path.is_file():
        raise AvatarError(f"avatar '{folder.name}' lacks its file {name}")
    if not path.resolve().is_relative_to(folder.resolve()):
        raise AvatarError(f"avatar '{folder.name}': {name} is a link that leaves the package")
    return path


def _read_manifest(path: Path) -> Manifest:
    try:
        return Manifest.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, ValidationError) as error:
        raise AvatarError(f"{path.parent.name}/{path.name}: {error}") from error


def _check_reach(manifest: Manifest) -> None:
    stated = manifest.lookahead_samples, manifest.lookback_samples
    derived = lookahead_samples(manifest), lookback_samples(manifest)
    if stated != derived:
        raise AvatarError(f"avatar '{manifest.name}' states look-ahead and -back {stated}, its windows give {derived}")


def _read_crops(manifest: Manifest, folder: Path) -> tuple[tuple[int, int, int, int], ...]:
    template, path = manifest.image.template, _inside(folder, manifest.image.crops)
    try:
        crops = tuple((int(a), int(b), int(c), int(d)) for a, b, c, d in json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise AvatarError(f"avatar '{manifest.name}': cannot read {path.name}: {error}") from error
    if len(crops) != template.frames:
        raise AvatarError(f"avatar '{manifest.name}': {path.name} has {len(crops)} crops of {template.frames}")
    for index, (x1, y1, x2, y2) in enumerate(crops):
        if not (0 <= x1 < x2 <= template.width and 0 <= y1 < y2 <= template.height):
            raise AvatarError(f"avatar '{manifest.name}': crop {index} {(x1, y1, x2, y2)} leaves the picture")
    return crops
