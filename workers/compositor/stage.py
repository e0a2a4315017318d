"""The compositor stage: mouth patches -> finished frames, each a header and a JPEG of the picture or of its mouth."""

import math
from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np

from common.avatars.manifest import Manifest
from common.avatars.package import Picture
from common.avatars.timeline import OPEN
from common.contracts import Task
from common.errors import TaskError
from common.frames import Flag, FrameHeader
from common.jobs import Job
from common.media import frames_covering
from workers.compositor import jpeg
from workers.compositor.paste import overlay, paste
from workers.compositor.pictures import Pictures

MICROSECONDS_PER_SECOND: Final = 1_000_000


class Compositor:
    """The stage with the pictures of its avatars; tasks of other qualities than theirs are served too."""

    def __init__(self, pictures: Iterable[Pictures]) -> None:
        self._pictures = {each.manifest.name: each for each in pictures}

    def process(self, jobs: Sequence[Job]) -> list[list[bytes]]:
        """The frames of each job, in order, as clients get them.

        Raises
        ------
        TaskError
            The avatar is not one of ours (another worker may have it), or, not retryable, a payload is not of the size
            that its task states.
        """
        return [compose_task(self._pictures_of(task), task, payload) for task, payload in jobs]

    def _pictures_of(self, task: Task) -> Pictures:
        if task.avatar not in self._pictures:
            loaded = ", ".join(sorted(self._pictures)) or "none"
            raise TaskError(
                f"this compositor does not serve avatar '{task.avatar}'; it serves: {loaded}", retryable=True
            )
        return self._pictures[task.avatar]


def compose_task(pictures: Pictures, task: Task, payload: bytes) -> list[bytes]:
    """The finished frames of one task.

    Parameters
    ----------
    payload : the patches, uint8, shape (count, inner height, inner width, 3), BGR.
    """
    frames = []
    make = compose if task.output == "frame" else compose_patch
    for index, patch in enumerate(_patches(pictures.manifest, task, payload)):
        header = header_of(pictures, task, index)
        frames.append(header.pack(make(pictures, header.template, patch, task.quality)))
    return frames


def compose(pictures: Pictures, template: int, patch: Picture, quality: int) -> bytes:
    """Template frame `template` with the patch as its mouth, as JPEG.

    Byte-identical to pasting into the whole picture and encoding that; only the region around the face is touched.
    """
    face = pictures.faces[template]
    changed = overlay(face.pixels, face.crop, patch, pictures.manifest)
    return jpeg.fill(pictures.remains(quality)[template], jpeg.encode(changed, quality, pictures.grid))


def compose_patch(pictures: Pictures, template: int, patch: Picture, quality: int) -> bytes:
    """Only the painted rectangle of that picture, as JPEG: drawn at the crop over template frame `template`, it is all.

    The pixels are those of the whole picture; the JPEG noise differs, since the blocks lie elsewhere.
    """
    face = pictures.faces[template]
    x1, y1, x2, y2 = face.crop
    return jpeg.encode_alone(paste(patch, face.pixels[y1:y2, x1:x2], pictures.manifest), quality)


def header_of(pictures: Pictures, task: Task, index: int) -> FrameHeader:
    """The header of the task's frame `index`, counted from the task's first."""
    manifest, frame = pictures.manifest, task.first + index
    template = manifest.template_index(task.template + index)
    size = manifest.image.template
    return FrameHeader(
        epoch=task.epoch,
        frame=frame,
        pts_us=frame * MICROSECONDS_PER_SECOND // manifest.fps,
        template=template,
        bounds=(0, 0, size.width, size.height) if task.output == "frame" else pictures.crops[template],
        flags=Flag.LAST if _is_last(manifest, task, task.offset + index) else Flag.NONE,
    )


def _is_last(manifest: Manifest, task: Task, frame: int) -> bool:
    """Whether `frame`, counted from the start of its segment, ends it; never while the segment is open."""
    return task.samples != OPEN and frame == frames_covering(task.samples, manifest.samples_per_frame) - 1


def _patches(manifest: Manifest, task: Task, payload: bytes) -> Picture:
    width, height = manifest.image.inner
    shape = (task.count, height, width, 3)
    if len(payload) != math.prod(shape):
        need = f"{task.count} patches of {width}x{height} are {math.prod(shape)} bytes"
        raise TaskError(f"payload: {need}, got {len(payload)}; does the inference worker serve the same package?")
    return np.frombuffer(payload, dtype=np.uint8).reshape(shape)
