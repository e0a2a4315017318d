"""Where finished frames go: a folder of JPEGs, an MP4 with the audio, or both."""

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from common.errors import InputError, LipstreamError
from workers.offline.media import Clip, open_mp4

_FRAME_FILE = re.compile(r"\d{6}\.jpg")

Write = Callable[[bytes], None]


@contextmanager
def opened(output: Path | None, folder: Path | None, fps: int, clip: Clip) -> Iterator[Write]:
    """A function that takes the JPEGs in order; both places may be None.

    Raises
    ------
    InputError
        Nothing can be written there.
    LipstreamError
        Writing fails on the way, as on a full disk.
    """
    with ExitStack() as stack:
        writers: list[Write] = []
        if folder is not None:
            writers.append(stack.enter_context(_open_folder(folder)))
        if output is not None:
            writers.append(stack.enter_context(open_mp4(output, fps, clip)).write)

        def write(picture: bytes) -> None:
            for writer in writers:
                writer(picture)

        yield write


@contextmanager
def _open_folder(folder: Path) -> Iterator[Write]:
    """Frames as `000000.jpg` and so on; frames of an earlier run do not stay between or behind the new ones."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.iterdir():
            if _FRAME_FILE.fullmatch(old.name):
                old.unlink()
    except OSError as error:
        raise InputError(f"cannot write frames to {folder}: {error.strerror}", field="frames") from error
    written = 0

    def write(picture: bytes) -> None:
        nonlocal written
        path = folder / f"{written:06d}.jpg"
        try:
            path.write_bytes(picture)
        except OSError as error:
            raise LipstreamError(f"cannot write {path}: {error.strerror}") from error
        written += 1

    yield write
