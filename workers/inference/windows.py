"""Log-mel columns -> encoder windows, and encoder rows -> the audio tensor of each frame; pure.

A window is a list of places: what stands at `at + start .. at + stop` of a sequence of known or unknown length. Both
kinds of window, columns under an encoder step and rows under a frame, follow the same padding rules.
"""

import sys
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from common.avatars.manifest import Manifest, PaddingRule, Window
from common.avatars.timeline import OPEN, Span, column_of_step, encoder_of, total_columns, total_steps

SILENCE: Final = -1
"""Place of a column of digital silence, or of the row that the encoder makes of a window of such columns."""
ZEROS: Final = -2
"""Place of a column or row of zeros."""

Places = NDArray[np.int64]
Floats = NDArray[np.float32]


def places(window: Window, at: Sequence[int], total: int) -> Places:
    """What windows at some positions hold.

    Parameters
    ----------
    window : the range around each position, and its padding rules.
    at : positions.
    total : length of the sequence; `sys.maxsize` while it is open.

    Returns
    -------
    int64 array, shape (len(at), window.length), of places in `[0, total)`, `SILENCE` or `ZEROS`. A sequence shorter
    than a window that is clamped inside it is taken to go on with silence.
    """
    start = np.asarray(at, dtype=np.int64) + window.start
    if window.pad_start == "clamp":
        start = np.maximum(start, 0)
    if window.pad_end == "clamp":
        start = np.minimum(start, max(0, total - window.length))
    found = start[:, None] + np.arange(window.length)
    before, behind = found < 0, found >= total
    found[before] = _pad(window.pad_start, nearest=0)
    found[behind] = _pad(window.pad_end, nearest=total - 1)
    return found


def _pad(rule: PaddingRule, nearest: int) -> int:
    return {"zeros": ZEROS, "repeat": nearest, "clamp": SILENCE, "silence": SILENCE}[rule]


def encoder_windows(manifest: Manifest, columns: Floats, held: Span, steps: Sequence[int], samples: int) -> Floats:
    """The encoder's input for some steps of a segment.

    Parameters
    ----------
    columns : float32, shape (held.length, bands).
    held : which columns of the segment these are; `timeline.columns_of_frames` of the frames that see the steps.
    steps : encoder steps, or `SILENCE` for a window of silence.
    samples : length of the segment, or `timeline.OPEN`.

    Returns
    -------
    float32, shape (len(steps), *encoder.input.shape).
    """
    encoder, frontend = encoder_of(manifest), manifest.audio.frontend
    total = sys.maxsize if samples == OPEN else total_columns(manifest, samples)
    found = places(encoder.window, [column_of_step(manifest, step) for step in steps], total)
    found[np.asarray(steps) == SILENCE] = SILENCE
    rows = np.where(found < 0, found, found - held.start)
    # The pads stand behind the columns, where their negative places find them.
    pads = np.array([[0.0], [frontend.silence]], np.float32).repeat(frontend.bands, axis=1)
    windows = np.concatenate([columns, pads])[rows]
    if encoder.layout == "bands_columns":
        windows = windows.transpose(0, 2, 1)
    return np.ascontiguousarray(windows).reshape(len(steps), *encoder.input.shape)


def rows_of_frames(manifest: Manifest, first: int, count: int, samples: int) -> Places:
    """The encoder steps under frames `[first, first + count)` of a segment.

    Returns
    -------
    int64 array, shape (count, window.length), of steps, `SILENCE` or `ZEROS`.
    """
    window = manifest.audio.window
    steps = sys.maxsize if samples == OPEN else total_steps(manifest, samples)
    rows = steps if samples == OPEN else steps + window.lead_in + window.lead_out
    found = places(window, range(first, first + count), rows)
    # Copies of the first row stand before it and of the last row behind it.
    return np.where(found < 0, found, np.clip(found - window.lead_in, 0, steps - 1))


def audio_tensor(manifest: Manifest, found: Places, rows: Mapping[int, Floats]) -> Floats:
    """The painter's audio input: the rows of each frame, row after row.

    Parameters
    ----------
    found : of `rows_of_frames`.
    rows : encoder output by step, float32 of shape (features,), with entries for `SILENCE` and `ZEROS`.

    Returns
    -------
    float32, shape (frames, *audio.tensor.shape).
    """
    stacked = np.stack([rows[step] for step in found.ravel().tolist()])
    return stacked.reshape(len(found), *manifest.audio.tensor.shape)
