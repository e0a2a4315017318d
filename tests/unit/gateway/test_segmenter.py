"""Cutting audio into frames."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.avatars.package import Avatar
from common.avatars.timeline import samples_needed
from common.resample import StreamResampler
from gateway.segmenter import Heard, Segment


def segment(avatar: Avatar, rate_hz: int = 16_000) -> Segment:
    return Segment(0, 0, 0, avatar.manifest, Heard(), StreamResampler(rate_hz))


@pytest.mark.parametrize(("samples", "frames"), [(0, 0), (1, 1), (639, 1), (640, 1), (641, 2), (16_000, 25)])
def test_a_segment_has_exactly_the_frames_that_cover_it(tiny_avatar: Avatar, samples: int, frames: int) -> None:
    part = segment(tiny_avatar)
    pieces = part.push(b"\1\0" * samples) + part.close(Heard())
    assert (part.frames, part.ready, len(pieces)) == (frames, frames, frames)
    assert b"".join(piece.pcm for piece in pieces) == b"\1\0" * samples
    assert [piece.frame for piece in pieces] == list(range(frames))


@given(cuts=st.lists(st.integers(1, 3000), min_size=1, max_size=30))
def test_chunk_sizes_do_not_change_the_frames(tiny_avatar: Avatar, cuts: list[int]) -> None:
    pcm = bytes(range(256)) * (sum(cuts) * 2 // 256 + 1)
    pcm = pcm[: sum(cuts) * 2]
    part, pieces, position = segment(tiny_avatar), [], 0
    for cut in cuts:
        pieces += part.push(pcm[position : position + cut * 2])
        position += cut * 2
    pieces += part.close(Heard())
    assert b"".join(piece.pcm for piece in pieces) == pcm
    assert all(len(piece.pcm) == 1280 for piece in pieces[:-1])


def test_a_frame_is_ready_when_its_look_ahead_is_in_the_ring(tiny_avatar: Avatar) -> None:
    part, need = segment(tiny_avatar), samples_needed(tiny_avatar.manifest, 0)
    whole = -(-need // 640) * 640
    part.push(b"\0\0" * (whole - 1))
    assert part.ready == 0
    part.push(b"\0\0")
    assert part.ready >= 1


def test_audio_of_24_khz_becomes_16_khz(tiny_avatar: Avatar) -> None:
    part = segment(tiny_avatar, 24_000)
    part.push(b"\0\0" * 24_000)
    part.close(Heard())
    assert part.samples == 16_000
