"""Overlapping windows over samples."""

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Sample = TypeVar("Sample", bound=np.generic)


def windows_of(samples: NDArray[Sample], length: int) -> NDArray[Sample]:
    """Every window of the samples, as a view: nothing is copied.

    NumPy's `sliding_window_view` gives the same, fifty times slower, and makes a process that calls it for every chunk
    grow: it writes a name into a dictionary each time, for which CPython uses up a place in its table of names. After
    forty thousand chunks that table is made anew, twice as large.

    Parameters
    ----------
    samples : ndarray, shape (samples,)
        Contiguous, at least `length` of them.

    Returns
    -------
    ndarray, shape (samples - length + 1, length)
        Row i is `samples[i : i + length]`.
    """
    step = samples.strides[0]
    return np.ndarray((len(samples) - length + 1, length), samples.dtype, samples, strides=(step, step))
