"""Windows over samples against NumPy's."""

import numpy as np
import pytest

from common.windows import windows_of


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int16])
@pytest.mark.parametrize(("count", "length"), [(1, 1), (7, 7), (800, 31)])
def test_windows_are_those_that_numpy_gives(count: int, length: int, dtype: type[np.generic]) -> None:
    samples = np.arange(count).astype(dtype)
    expected = np.lib.stride_tricks.sliding_window_view(samples, length)
    assert np.array_equal(windows_of(samples, length), expected)
    # Of a part of an array, too.
    assert np.array_equal(windows_of(np.concatenate([samples, samples])[count:], length), expected)


def test_windows_are_views_that_keep_their_samples_alive() -> None:
    windows = windows_of(np.arange(9.0), 3)
    assert windows.base is not None
    assert windows[6].tolist() == [6, 7, 8]


def test_too_few_samples_are_refused_and_nothing_beyond_them_is_read() -> None:
    with pytest.raises(ValueError, match="size of buffer"):
        windows_of(np.arange(3.0), 5)


def test_samples_that_are_not_contiguous_are_refused() -> None:
    with pytest.raises(ValueError, match="not contiguous"):
        windows_of(np.arange(9.0)[::2], 4)
