"""The sound network: a window of mel columns in, the 16 viseme weights of one video frame out.

All convolutions are valid (unpadded), so the same weights read a long clip column by column in training and one
window in the server, with the same numbers.
"""

from typing import Final

import torch
from torch import Tensor, nn

PAST_COLUMNS: Final = 32
FUTURE_COLUMNS: Final = 16
WINDOW_COLUMNS: Final = PAST_COLUMNS + FUTURE_COLUMNS
MEL_BANDS: Final = 80
SILENCE: Final = -4.0


def block(inputs: int, outputs: int, kernel: tuple[int, int], **options: tuple[int, int]) -> nn.Sequential:
    """Return convolution, normalisation and rectifier; kernels are (band, time)."""
    conv = nn.Conv2d(inputs, outputs, kernel, bias=False, **options)  # type: ignore[arg-type]
    return nn.Sequential(conv, nn.BatchNorm2d(outputs), nn.ReLU())


class Residual(nn.Module):
    """A convolution over time added to its own (cropped) input."""

    def __init__(self, channels: int, kernel: int, dilation: int) -> None:
        super().__init__()
        self.conv = block(channels, channels, (1, kernel), dilation=(1, dilation))
        self.crop = (kernel - 1) * dilation // 2

    def forward(self, features: Tensor) -> Tensor:
        """Map (B, C, 1, T) to (B, C, 1, T - 2 * crop)."""
        kept: Tensor = features[..., self.crop : features.shape[-1] - self.crop]
        added: Tensor = self.conv(features)
        return kept + added


class SoundEncoder(nn.Module):
    """Reads visemes from log-mel columns with a receptive field of exactly `WINDOW_COLUMNS`."""

    def __init__(self, width: int = 160) -> None:
        super().__init__()
        self.bands = nn.Sequential(
            block(1, 16, (5, 3), stride=(2, 1), padding=(2, 0)),
            block(16, 32, (5, 3), stride=(2, 1), padding=(2, 0)),
            block(32, 32, (3, 1), stride=(2, 1), padding=(1, 0)),
            block(32, width, (10, 1)),
        )
        self.time = nn.Sequential(
            Residual(width, 5, 1), Residual(width, 5, 2), Residual(width, 5, 4), Residual(width, 3, 4)
        )
        self.last = block(width, 128, (1, 8))
        self.drop = nn.Dropout(0.1)
        self.head = nn.Conv2d(128, 16, 1)
        self.sharpness = nn.Buffer(torch.ones(1))
        self.leaning = nn.Buffer(torch.zeros(1, 16, 1, 1))

    def logits(self, mel: Tensor) -> Tensor:
        """Map mel (B, 1, 80, T) to viseme logits (B, 16, 1, T - 47)."""
        features = self.last(self.time(self.bands(mel * 0.5 + 1.0)))
        logits: Tensor = self.head(self.drop(features))
        return logits

    def visemes(self, mel: Tensor) -> Tensor:
        """Map mel (B, 1, 80, T) to viseme weights (B, 16, 1, T - 47), sharp as `training.sharpen` set it."""
        return torch.softmax(self.logits(mel) * self.sharpness + self.leaning, dim=1)

    def forward(self, mel: Tensor) -> Tensor:
        """Read windows.

        Parameters
        ----------
        mel : Tensor of float32, shape (B, 1, 80, 48)
            Mel columns [s - 32, s + 16) of a frame, -4..4.

        Returns
        -------
        Tensor of float32, shape (B, 16)
            Viseme weights, each row sums to 1.
        """
        return self.visemes(mel).flatten(1)
