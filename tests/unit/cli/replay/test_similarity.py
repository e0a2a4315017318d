"""SSIM is 1 for the same picture and falls with what is done to it."""

import numpy as np
import pytest

from cli.replay.similarity import ssim
from common.avatars.package import Picture


@pytest.fixture
def picture() -> Picture:
    rows, columns = np.mgrid[0:120, 0:160]
    waves = [127 + 80 * np.sin(columns / 9), 127 + 80 * np.sin(rows / 7), 127 + 80 * np.cos((rows + columns) / 11)]
    return np.stack(waves, axis=-1).astype(np.uint8)


def noisy(picture: Picture, sigma: float) -> Picture:
    noise = np.random.default_rng(0).normal(0, sigma, picture.shape)
    return np.clip(picture + noise, 0, 255).astype(np.uint8)


def test_the_same_picture_is_1(picture: Picture) -> None:
    assert ssim(picture, picture) == 1


def test_more_noise_is_less_alike(picture: Picture) -> None:
    scores = [ssim(picture, noisy(picture, sigma)) for sigma in (1, 5, 20, 60)]
    assert 1 > scores[0] > scores[1] > scores[2] > scores[3] > 0


def test_it_is_symmetric(picture: Picture) -> None:
    other = noisy(picture, 10)
    assert ssim(picture, other) == pytest.approx(ssim(other, picture), abs=1e-12)


def test_two_flat_pictures_have_the_value_of_the_formula() -> None:
    """Without structure only the luminance term is left: (2ab + C1) / (a² + b² + C1)."""
    dark, light = np.full((32, 32, 3), 50, np.uint8), np.full((32, 32, 3), 100, np.uint8)
    constant = (0.01 * 255) ** 2
    expected = (2 * 50 * 100 + constant) / (50**2 + 100**2 + constant)
    assert ssim(dark, light) == pytest.approx(expected, abs=1e-9)
