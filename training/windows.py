"""Which mel columns and which sound belong to a video frame."""

import numpy as np
from numpy.typing import NDArray

from training.sound_model import FUTURE_COLUMNS, MEL_BANDS, PAST_COLUMNS, SILENCE, WINDOW_COLUMNS

COLUMNS_A_SECOND = 80


def frame_start_column(frame: int) -> int:
    """Return the first present column of a frame at 25 frames and 80 columns a second."""
    return 16 * frame // 5


def padded(mel: NDArray[np.float32], columns: int) -> NDArray[np.float32]:
    """Put silence before a mel, shape (80, M), and after it up to ``columns`` columns past the start."""
    after = max(0, columns + FUTURE_COLUMNS - mel.shape[1])
    return np.pad(mel, ((0, 0), (PAST_COLUMNS, after)), constant_values=SILENCE)


def frame_windows(mel: NDArray[np.float32], frames: int) -> NDArray[np.float32]:
    """Cut the encoder's input of each frame.

    Parameters
    ----------
    mel : ndarray of float32, shape (80, M)
        Log-mel of a whole clip, -4..4.
    frames : int
        Number of video frames.

    Returns
    -------
    ndarray of float32, shape (frames, 1, 80, 48)
        Columns [s - 32, s + 16) with s = 16 k // 5, silence (-4) where the clip has none.
    """
    wide = padded(mel, frame_start_column(frames))
    windows = np.empty((frames, 1, MEL_BANDS, WINDOW_COLUMNS), dtype=np.float32)
    for frame in range(frames):
        start = frame_start_column(frame)
        windows[frame, 0] = wide[:, start : start + WINDOW_COLUMNS]
    return windows
