"""A recording as a video: the frames that were sent, one utterance after the other, over their sound."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from common.errors import InputError
from common.recording.recording import Key, Recording
from workers.offline.media import Clip, open_mp4
from workers.offline.replay import Shown, utterances


@contextmanager
def filming(recording: Recording, output: Path | None) -> Iterator[Callable[[Shown], None]]:
    """What takes the frames of a run, in their order; more frames than were sent are left out.

    Raises
    ------
    InputError
        The recording has no whole pictures, or nothing can be written there.
    """
    if output is not None and recording.header.output == "patch":
        raise InputError("the session was sent patches, not whole pictures: there is nothing to film", field="output")
    opened = open_mp4(output, recording.header.fps, soundtrack(recording)) if output else nullcontext()
    with opened as video:

        def take(shown: Shown) -> None:
            if video is not None and shown.key in recording.frames:
                video.write(shown.picture)

        yield take


def soundtrack(recording: Recording) -> Clip:
    """The audio under the frames that were sent; what was never shown, and the silence between, is left out."""
    rate_hz, fps = recording.header.sample_rate, recording.header.fps
    audio = {(each.epoch, each.audio): np.frombuffer(each.pcm, "<i2") for each in utterances(recording)}
    pieces = [_under(audio[key.epoch, key.audio], key, rate_hz, fps) for key in recording.frames]
    return Clip(np.concatenate([np.zeros(0, np.int16), *pieces]), rate_hz)


def _under(samples: NDArray[np.int16], key: Key, rate_hz: int, fps: int) -> NDArray[np.int16]:
    """The samples of one frame; silence where the utterance ends within it."""
    start, stop = key.offset * rate_hz // fps, (key.offset + 1) * rate_hz // fps
    piece = samples[start:stop]
    return np.pad(piece, (0, stop - start - len(piece)))
