"""Audio files in, MP4 files out, both with PyAV."""

import math
import os
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any, Final, NamedTuple

import av
import numpy as np
import soxr
from numpy.typing import NDArray

from common.errors import AudioError, InputError, LipstreamError
from common.resample import RATE_MAX_HZ, RATE_MIN_HZ

AAC_RATES_HZ: Final = (8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)
H264: Final = {"crf": "20", "preset": "ultrafast", "tune": "fastdecode"}
"""A third of the work of `veryfast` at the same size: the picture hardly moves, so there is little to search for. 48 dB
to the JPEGs, at which there is nothing left to deblock."""
DECODED_AHEAD: Final = 3
_BT601: Final = 5
_BT709: Final = 1
_LIMITED_RANGE: Final = 1


class Clip(NamedTuple):
    """A recording: mono int16 samples, shape (n,), and their rate."""

    samples: NDArray[np.int16]
    rate_hz: int

    @property
    def duration_s(self) -> float:
        return len(self.samples) / self.rate_hz

    @property
    def pcm(self) -> bytes:
        """PCM16, little endian."""
        return bytes(self.samples.astype("<i2").tobytes())


def read_audio(path: Path, *, max_s: float = math.inf, formats: str | None = None) -> Clip:
    """The first audio stream of a file of any container and codec that FFmpeg knows.

    Channels are averaged. The file's own rate is kept, unless no gateway would take it: then 48 kHz. 16-bit mono comes
    out exactly as it is in the file.

    Parameters
    ----------
    max_s : longer audio is refused before it is all in memory.
    formats : FFmpeg's names of the only containers that are read, by commas; for files of strangers, since a playlist
        would make FFmpeg open whatever it names.

    Raises
    ------
    AudioError
        The file is missing, is no media, has no audio, is damaged, too long, or holds not one sample.
    """
    options = {} if formats is None else {"format_whitelist": formats, "protocol_whitelist": "file"}
    try:
        with av.open(str(path), options=options) as container:
            if not container.streams.audio:
                raise AudioError(f"{path} has no audio stream", field="audio")
            rate_hz = int(container.streams.audio[0].rate)
            fits = RATE_MIN_HZ <= rate_hz <= RATE_MAX_HZ
            blocks = [_int16(block) if fits else block for block in _decoded(container, max_s * rate_hz)]
    except (OSError, ValueError, av.FFmpegError) as error:
        reason = getattr(error, "strerror", None) or error
        raise AudioError(f"cannot read {path}: {reason}", field="audio") from error
    if not any(map(len, blocks)):
        raise AudioError(f"{path} holds no audio: 0 samples", field="audio")
    mono: NDArray[Any] = np.concatenate(blocks)
    if not fits:
        return Clip(_int16(soxr.resample(mono, rate_hz, RATE_MAX_HZ)), RATE_MAX_HZ)
    return Clip(mono, rate_hz)


def _int16(samples: NDArray[np.float32]) -> NDArray[np.int16]:
    return np.clip(np.rint(samples * 32768), -32768, 32767).astype(np.int16)


def _decoded(container: av.container.InputContainer, samples_max: float) -> Iterator[NDArray[np.float32]]:
    """Blocks of the first audio stream, channels averaged, full scale +-1."""
    to_planes, samples = av.AudioResampler(format="fltp"), 0
    for frame in container.decode(audio=0):
        samples += frame.samples
        if samples > samples_max:
            limit_s = samples_max / frame.sample_rate
            raise AudioError(f"the audio is longer than {limit_s:g} s", field="audio", limit=limit_s)
        for planes in to_planes.resample(frame):
            yield planes.to_ndarray().mean(axis=0, dtype=np.float32)


class VideoWriter:
    """Writes JPEG frames and the audio they belong to as H.264 and AAC into one open container.

    The audio is written along with the frames, so that a player finds both near each other. A thread of its own
    decodes the JPEGs, a few ahead of the encoder.
    """

    def __init__(self, container: av.container.OutputContainer, fps: int, clip: Clip) -> None:
        self._container = container
        self._fps = fps
        self._clip = clip
        self._frames = 0
        self._samples = 0
        self._video: av.VideoStream | None = None
        rate_hz = clip.rate_hz if clip.rate_hz in AAC_RATES_HZ else RATE_MAX_HZ
        self._audio = container.add_stream("aac", rate=rate_hz, layout="mono")
        self._jpeg = av.VideoCodecContext.create("mjpeg", "r")
        self._to_aac = av.AudioResampler(format="fltp", layout="mono", rate=rate_hz)
        self._decoder = ThreadPoolExecutor(max_workers=1)
        self._coming: deque[Future[av.VideoFrame]] = deque()

    def write(self, picture: bytes) -> None:
        """Append one JPEG, and the audio up to its end.

        Raises
        ------
        LipstreamError
            The bytes of this picture or of one a few before are no JPEG, or its size differs from the first one's.
        """
        self._coming.append(self._decoder.submit(self._decode, picture, self._frames + len(self._coming)))
        if len(self._coming) > DECODED_AHEAD:
            self._encode(self._coming.popleft().result())

    def _encode(self, frame: av.VideoFrame) -> None:
        if self._video is None:
            self._video = self._add_video(frame.width, frame.height)
        if (frame.width, frame.height) != (self._video.width, self._video.height):
            raise LipstreamError(f"frame {self._frames} is {frame.width}x{frame.height}, the first was of another size")
        frame.pts, frame.time_base = self._frames, Fraction(1, self._fps)
        self._container.mux(self._video.encode(frame))
        self._frames += 1
        self._write_audio(self._frames * self._clip.rate_hz // self._fps)

    def finish(self) -> None:
        """Write what is still under way; raises as `write`."""
        while self._coming:
            self._encode(self._coming.popleft().result())
        self._write_audio(len(self._clip.samples))
        if self._video is not None:
            self._container.mux(self._video.encode())
        for block in self._to_aac.resample(None):
            self._container.mux(self._audio.encode(block))
        self._container.mux(self._audio.encode())

    def close(self) -> None:
        """End the thread; what is under way is dropped."""
        self._decoder.shutdown(cancel_futures=True)

    def _decode(self, picture: bytes, number: int) -> av.VideoFrame:
        """A JPEG as BT.601 4:2:0, its own matrix: another would cost a way through RGB. An odd side loses a pixel."""
        try:
            [frame] = self._jpeg.decode(av.Packet(picture))
        except (ValueError, av.FFmpegError) as error:
            raise LipstreamError(f"frame {number} ({len(picture)} bytes) is no JPEG") from error
        return frame.reformat(
            width=frame.width // 2 * 2,
            height=frame.height // 2 * 2,
            format="yuv420p",
            dst_colorspace=_BT601,
            dst_color_range=_LIMITED_RANGE,
            interpolation="BILINEAR",  # nothing is resized, and the default takes its time to do so
        )

    def _add_video(self, width: int, height: int) -> av.VideoStream:
        stream = self._container.add_stream("libx264", rate=self._fps, options=H264)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        codec = stream.codec_context
        codec.colorspace, codec.color_primaries, codec.color_trc = _BT601, _BT709, _BT709
        codec.color_range = _LIMITED_RANGE
        return stream

    def _write_audio(self, stop: int) -> None:
        block = self._clip.samples[self._samples : stop]
        if len(block):
            frame = av.AudioFrame.from_ndarray(block[None, :], format="s16", layout="mono")
            frame.sample_rate, frame.pts = self._clip.rate_hz, self._samples
            frame.time_base = Fraction(1, self._clip.rate_hz)
            for ready in self._to_aac.resample(frame):
                self._container.mux(self._audio.encode(ready))
            self._samples += len(block)


@contextmanager
def open_mp4(path: Path, fps: int, clip: Clip) -> Iterator[VideoWriter]:
    """A writer of `path`, which appears only when everything is in it; a run that fails leaves nothing behind.

    Raises
    ------
    InputError
        The name does not end in .mp4, or nothing can be written there.
    LipstreamError
        The disk is full, or an encoder fails.
    """
    if path.suffix.lower() != ".mp4":
        raise InputError(f"{path}: the video must be named *.mp4", field="output")
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        part.touch()
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror}", field="output") from error
    try:
        with (
            av.open(str(part), "w", format="mp4", options={"movflags": "+faststart"}) as container,
            closing(VideoWriter(container, fps, clip)) as writer,
        ):
            yield writer
            writer.finish()
        part.replace(path)
    except (OSError, av.FFmpegError) as error:
        raise LipstreamError(f"cannot write {path}: {error}") from error
    finally:
        part.unlink(missing_ok=True)
