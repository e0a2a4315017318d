"""`avatar.json`: everything that a lip-sync model family needs to be told, and nothing that code must guess.

The manifest describes more than this version runs: `unsupported()` names what is missing. The axes follow the
published networks (SyncTalk-2D, Ultralight-Digital-Human, Wav2Lip, MuseTalk), whose orders of channels and of
coordinates differ, so each is spelled out and none is inferred.
"""

from fractions import Fraction
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from common.contracts import NAME_PATTERN
from common.media import SAMPLE_RATE_HZ

PaddingRule = Literal["zeros", "repeat", "clamp", "silence"]
"""How a window that overruns a segment is filled: with zeros, with the nearest row, by shifting the window back
inside, or with the front-end's value of digital silence."""

FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$")]
"""A file inside the package; no separators, so that no path leaves it."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Tensor(_Part):
    """An input or output of an ONNX graph; `shape` leaves out the batch axis, which comes first."""

    name: str
    shape: tuple[int, ...]
    dtype: Literal["float32", "float16", "uint8", "int64"] = "float32"


class Frontend(_Part):
    """PCM -> feature columns. `mel` is the log-mel of `workers.audio.mel` with exactly these constants."""

    kind: Literal["mel", "fbank", "hubert", "wenet", "whisper"]
    sample_rate_hz: int = SAMPLE_RATE_HZ
    bands: int = 80
    n_fft: int = 800
    hop: int = 200
    fmin_hz: float = 55.0
    fmax_hz: float = 7600.0
    preemphasis: float = 0.97
    silence: float = -4.0
    """Value of a column of digital silence."""


class Window(_Part):
    """Rows `[start, stop)` around a position, and what stands where the segment has none."""

    start: int
    stop: int
    pad_start: PaddingRule
    pad_end: PaddingRule

    @property
    def length(self) -> int:
        return self.stop - self.start

    @model_validator(mode="after")
    def _check_order(self) -> Self:
        if self.stop <= self.start:
            raise ValueError("stop must be above start")
        return self


class FeatureWindow(Window):
    """The rows that one video frame sees; the first and last row of the segment may be doubled before padding."""

    lead_in: int = Field(0, ge=0, description="copies of the first row put before it")
    lead_out: int = Field(0, ge=0, description="copies of the last row put behind it")


class Encoder(_Part):
    """Feature columns -> one row a step; step k stands at column floor(k * columns a frame)."""

    model: FileName
    input: Tensor
    output: Tensor
    window: Window
    layout: Literal["bands_columns", "columns_bands"] = "bands_columns"

    @property
    def features(self) -> int:
        size = 1
        for axis in self.output.shape:
            size *= axis
        return size


class Audio(_Part):
    """From samples to the tensor that one video frame sees."""

    frontend: Frontend
    encoder: Encoder | None = None
    rows_per_frame: Annotated[str, Field(pattern=r"^\d+(/\d+)?$")] = Field(
        "1", description="rational: encoder rows, or without encoder feature columns, in one video frame"
    )
    window: FeatureWindow
    tensor: Tensor
    positional_encoding: Literal["none", "sinusoidal"] = "none"


class Rect(_Part):
    x: int
    y: int
    width: int
    height: int


class Template(_Part):
    """The pictures under the mouth."""

    video: FileName
    frames: int = Field(gt=0, le=100_000)
    width: int = Field(gt=0, le=8_192)
    height: int = Field(gt=0, le=8_192)
    loop: Literal["cycle", "ping_pong"] = "cycle"
    start: int = Field(0, ge=0)
    idle: Literal["template", "hold"] = "template"


class Image(_Part):
    """From a template frame to the network's picture input."""

    template: Template
    crops: FileName = Field(description="JSON list of [x1, y1, x2, y2] for each template frame, ends exclusive")
    crop_rule: str = Field("", description="how the crops were found, for people")
    size: tuple[int, int] = Field(description="width and height that the crop is resized to")
    border_px: int = Field(0, ge=0, description="ring of the resized crop that the network neither sees nor paints")
    interpolation: Literal["nearest", "linear", "cubic", "area", "lanczos"] = "cubic"
    masks: tuple[Rect, ...] = Field((), description="rectangles, within the ring, set to 0 in the masked picture")
    stack: tuple[Literal["reference", "masked"], ...] = Field(description="order of the stacked pictures")
    colour: Literal["bgr", "rgb"] = "bgr"
    scale: float = 1 / 255
    offset: float = 0.0
    latents: FileName | None = None
    tensor: Tensor

    @property
    def inner(self) -> tuple[int, int]:
        """Width and height of the picture inside the ring."""
        return self.size[0] - 2 * self.border_px, self.size[1] - 2 * self.border_px


class Output(_Part):
    """From the network's output to pixels: `round(scale * x + offset)`, or truncated."""

    tensor: Tensor
    colour: Literal["bgr", "rgb"] = "bgr"
    scale: float = 255.0
    offset: float = 0.0
    rounding: Literal["truncate", "nearest"] = "truncate"


class Paste(_Part):
    """The painted picture goes inside the ring of the original crop, is resized to the crop, and put back."""

    interpolation: Literal["nearest", "linear", "cubic", "area", "lanczos"] = "cubic"
    alpha_masks: FileName | None = None


class Manifest(_Part):
    """One avatar."""

    format: Literal["lipstream.avatar/1"]
    name: str = Field(pattern=NAME_PATTERN)
    title: str
    licence: str
    fps: int = Field(gt=0, le=60)
    pool: str = Field("default", pattern=NAME_PATTERN, description="inference workers that serve this avatar")
    audio: Audio
    image: Image
    models: tuple[FileName, ...] = Field(min_length=1, description="ONNX graphs, run in this order")
    output: Output
    paste: Paste
    thumbnail: FileName | None = None
    lookahead_samples: int = Field(description="samples after a frame's first that it needs, at most")
    lookback_samples: int = Field(description="samples before a frame's first that it needs, at most")

    @property
    def samples_per_frame(self) -> int:
        return SAMPLE_RATE_HZ // self.fps

    @property
    def columns_per_frame(self) -> Fraction:
        """Feature columns in one video frame; 16/5 for mel at 25 fps."""
        return Fraction(self.audio.frontend.sample_rate_hz, self.audio.frontend.hop * self.fps)

    def template_index(self, position: int) -> int:
        """The template frame at a position that counts on for ever."""
        template = self.image.template
        position += template.start
        if template.loop == "cycle" or template.frames == 1:
            return position % template.frames
        period = 2 * (template.frames - 1)
        phase = position % period
        return min(phase, period - phase)

    @model_validator(mode="after")
    def _check_sizes(self) -> Self:
        if SAMPLE_RATE_HZ % self.fps:
            raise ValueError(f"fps: {self.fps} frames a second do not divide {SAMPLE_RATE_HZ} samples")
        width, height = self.image.inner
        if self.image.tensor.shape != (3 * len(self.image.stack), height, width) and self.image.latents is None:
            raise ValueError(f"image.tensor.shape must be {(3 * len(self.image.stack), height, width)}")
        if self.output.tensor.shape != (3, height, width) and self.image.latents is None:
            raise ValueError(f"output.tensor.shape must be {(3, height, width)}")
        if self.image.masks and "masked" not in self.image.stack:
            raise ValueError("image.masks are of no use: image.stack holds no 'masked' picture")
        return self

    def unsupported(self) -> list[str]:
        """What this version cannot run of it, in words; empty when it can be served."""
        audio, image = self.audio, self.image
        checks = {
            f"audio front-end '{audio.frontend.kind}'": audio.frontend.kind != "mel",
            "mel constants other than the published ones": audio.frontend != Frontend(kind="mel"),
            "a model without an audio encoder": audio.encoder is None,
            f"{audio.rows_per_frame} encoder rows a frame": audio.rows_per_frame != "1",
            "positional encoding": audio.positional_encoding != "none",
            "precomputed latents": image.latents is not None,
            "a template held while nobody speaks (image.template.idle 'hold')": image.template.idle != "template",
            f"a chain of {len(self.models)} models": len(self.models) != 1,
            "alpha masks": self.paste.alpha_masks is not None,
        }
        return [what for what, missing in checks.items() if missing]
