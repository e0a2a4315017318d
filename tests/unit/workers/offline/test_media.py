"""Audio files of any kind in, MP4 out; both checked by decoding again."""

from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from common.errors import AudioError, InputError, LipstreamError
from workers.offline.media import Clip, open_mp4, read_audio


def write_audio(
    path: Path, channels: NDArray[np.int16], rate_hz: int, codec: str = "pcm_s16le", sample_format: str = "s16"
) -> Path:
    """Write samples of shape (channels, n)."""
    layout = "mono" if len(channels) == 1 else "stereo"
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate_hz, layout=layout)
        packed = np.ascontiguousarray(channels.T.reshape(1, -1))
        frame = av.AudioFrame.from_ndarray(packed, format="s16", layout=layout)
        frame.sample_rate, frame.pts, frame.time_base = rate_hz, 0, Fraction(1, rate_hz)
        to_codec = av.AudioResampler(format=sample_format, layout=layout, rate=rate_hz, frame_size=stream.frame_size)
        for block in [*to_codec.resample(frame), *to_codec.resample(None)]:
            container.mux(stream.encode(block))
        container.mux(stream.encode())
    return path


def noise(channels: int, samples: int) -> NDArray[np.int16]:
    return np.random.default_rng(1).integers(-32768, 32768, (channels, samples)).astype(np.int16)


def tone(rate_hz: int, frequency_hz: float = 440) -> NDArray[np.int16]:
    return (12_000 * np.sin(2 * np.pi * frequency_hz * np.arange(rate_hz) / rate_hz)).astype(np.int16)[None, :]


def write_frames(path: Path, *pictures: bytes) -> None:
    with open_mp4(path, 25, Clip(tone(16_000)[0], 16_000)) as writer:
        for picture in pictures:
            writer.write(picture)


def jpeg(width: int = 64, height: int = 48, colour: tuple[int, int, int] = (40, 90, 200)) -> bytes:
    picture = np.full((height, width, 3), colour, np.uint8)
    return bytes(cv2.imencode(".jpg", picture)[1].tobytes())


@pytest.mark.parametrize(("name", "codec"), [("a.wav", "pcm_s16le"), ("a.flac", "flac")])
@pytest.mark.parametrize("rate_hz", [8_000, 11_025, 16_000, 44_100, 48_000])
def test_16_bit_mono_comes_out_exactly_as_it_is_in_the_file(
    tmp_path: Path, name: str, codec: str, rate_hz: int
) -> None:
    samples = noise(1, 3_000)
    clip = read_audio(write_audio(tmp_path / name, samples, rate_hz, codec))
    assert clip.rate_hz == rate_hz
    assert clip.pcm == samples.astype("<i2").tobytes()


def test_stereo_is_averaged(tmp_path: Path) -> None:
    channels = noise(2, 500)
    clip = read_audio(write_audio(tmp_path / "a.wav", channels, 24_000))
    np.testing.assert_array_equal(clip.samples, np.rint(channels.astype(float).mean(axis=0)))


@pytest.mark.parametrize(("name", "codec"), [("a.mp3", "libmp3lame"), ("a.m4a", "aac")])
def test_compressed_files_are_read(tmp_path: Path, name: str, codec: str) -> None:
    clip = read_audio(write_audio(tmp_path / name, tone(44_100), 44_100, codec, "fltp"))
    assert clip.duration_s == pytest.approx(1, abs=0.06)
    loudness = np.sqrt(np.mean(clip.samples[4_000:-4_000].astype(float) ** 2))
    assert loudness == pytest.approx(12_000 / 2**0.5, rel=0.06)


@pytest.mark.parametrize("rate_hz", [6_000, 96_000])
def test_a_rate_that_no_gateway_takes_becomes_48_khz(tmp_path: Path, rate_hz: int) -> None:
    clip = read_audio(write_audio(tmp_path / "a.wav", tone(rate_hz), rate_hz))
    assert clip.rate_hz == 48_000
    assert clip.duration_s == pytest.approx(1, abs=1e-4)
    expected = tone(48_000)[0][2_000:-2_000].astype(int)
    assert np.abs(clip.samples[2_000 : 2_000 + len(expected)] - expected).max() < 40


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match=r"cannot read .*nothing\.wav: No such file"):
        read_audio(tmp_path / "nothing.wav")


@pytest.mark.parametrize("content", [b"", b"this is no audio" * 100, b"RIFF\0\0\0\0WAVE"])
def test_a_file_that_is_no_audio_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broken.wav"
    path.write_bytes(content)
    with pytest.raises(AudioError, match=r"broken\.wav"):
        read_audio(path)


def test_a_file_cut_in_the_middle_is_refused(tmp_path: Path) -> None:
    path = write_audio(tmp_path / "a.flac", noise(1, 50_000), 16_000, "flac")
    path.write_bytes(path.read_bytes()[:60_000])
    with pytest.raises(AudioError, match=r"cannot read .*a\.flac: Invalid data"):
        read_audio(path)


def test_a_file_without_samples_is_refused(tmp_path: Path) -> None:
    path = write_audio(tmp_path / "a.wav", noise(1, 1), 16_000)
    path.write_bytes(path.read_bytes()[:-2])
    with pytest.raises(AudioError, match=r"a\.wav.*"):
        read_audio(path)


def test_a_silent_film_has_no_audio_stream(tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        container.mux(stream.encode(av.VideoFrame(64, 48, "yuv420p")))
        container.mux(stream.encode())
    with pytest.raises(AudioError, match=r"film\.mp4 has no audio stream"):
        read_audio(path)


@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 44_100, 44_099])
def test_the_video_has_both_streams_and_both_last_as_long_as_the_recording(tmp_path: Path, rate_hz: int) -> None:
    path, clip = tmp_path / "out.mp4", Clip(tone(rate_hz)[0], rate_hz)
    with open_mp4(path, 25, clip) as writer:
        for _ in range(25):
            writer.write(jpeg())
    with av.open(str(path)) as container:
        pictures = list(container.decode(video=0))
        assert float(container.streams.audio[0].duration * container.streams.audio[0].time_base) == pytest.approx(
            1, abs=0.002
        )
    assert [float(p.pts * p.time_base) for p in pictures] == pytest.approx([i / 25 for i in range(25)])
    heard = read_audio(path)
    loudness = np.sqrt(np.mean(heard.samples[2_000:-2_000].astype(float) ** 2))
    assert loudness == pytest.approx(12_000 / 2**0.5, rel=0.03)


def test_the_colours_survive_and_are_tagged_as_bt_601(tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    write_frames(path, jpeg(colour=(40, 90, 200)))
    with av.open(str(path)) as container:
        [frame] = container.decode(video=0)
    assert (frame.colorspace, frame.color_range) == (5, 1)
    pixels = frame.reformat(format="bgr24", src_colorspace=5, src_color_range=1, dst_color_range=2).to_ndarray()
    np.testing.assert_allclose(pixels.mean(axis=(0, 1)), [40, 90, 200], atol=5)


def test_odd_sides_lose_a_pixel_as_h264_wants(tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    write_frames(path, jpeg(65, 49))
    with av.open(str(path)) as container:
        assert (container.streams.video[0].width, container.streams.video[0].height) == (64, 48)


def test_a_run_that_fails_leaves_no_video_and_keeps_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    path.write_bytes(b"the old one")
    with pytest.raises(LipstreamError, match=r"frame 1 \(7 bytes\) is no JPEG"):
        write_frames(path, jpeg(), b"rubbish")
    assert path.read_bytes() == b"the old one"
    assert [p.name for p in tmp_path.iterdir()] == ["out.mp4"]


def test_a_picture_of_another_size_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LipstreamError, match="frame 1 is 32x32, the first was of another size"):
        write_frames(tmp_path / "out.mp4", jpeg(), jpeg(32, 32))


@pytest.mark.parametrize(("name", "text"), [("no/such/folder.mp4", "No such file"), ("out.avi", r"named \*\.mp4")])
def test_a_place_that_cannot_be_written_is_refused_before_any_work(tmp_path: Path, name: str, text: str) -> None:
    clip = Clip(tone(16_000)[0], 16_000)
    with pytest.raises(InputError, match=text), open_mp4(tmp_path / name, 25, clip):
        pytest.fail("nothing can be written there")
