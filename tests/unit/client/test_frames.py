"""The client reads what the pipeline writes, though the two share no code."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import common.frames as ours
from lipstream_client import Flag, LipstreamClientError
from lipstream_client.frames import parse_frame

U16, U32 = st.integers(0, 2**16 - 1), st.integers(0, 2**32 - 1)


@settings(deadline=None)
@given(U32, U32, st.integers(0, 2**64 - 1), U32, st.tuples(U16, U16, U16, U16), st.integers(0, 7), st.binary())
def test_every_field_of_a_frame_arrives_as_it_was_written(
    epoch: int, frame: int, pts_us: int, template: int, bounds: tuple[int, int, int, int], flags: int, picture: bytes
) -> None:
    message = ours.FrameHeader(epoch, frame, pts_us, template, bounds, ours.Flag(flags)).pack(picture)
    assert tuple(parse_frame(message)) == (epoch, frame, pts_us, template, bounds, flags, picture)


def test_the_flags_have_the_same_names_and_values_on_both_sides() -> None:
    assert {f.name: f.value for f in Flag} == {f.name: f.value for f in ours.Flag}


def written(picture: bytes = b"jpeg") -> bytearray:
    return bytearray(ours.FrameHeader(0, 0, 0, 0, (0, 0, 8, 8)).pack(picture))


@pytest.mark.parametrize(("position", "text"), [(0, "not a lipstream.v1 frame"), (2, "not a lips"), (3, "codec 9")])
def test_a_frame_of_another_kind_is_refused(position: int, text: str) -> None:
    message = written()
    message[position] = 9
    with pytest.raises(LipstreamClientError, match=text) as caught:
        parse_frame(bytes(message))
    assert caught.value.code == "bad_frame"


def test_a_frame_cut_short_is_refused() -> None:
    for length in (0, 39, 40, 43):
        with pytest.raises(LipstreamClientError, match=f"got {length}"):
            parse_frame(bytes(written()[:length]))


def test_a_longer_header_of_a_later_minor_version_is_skipped() -> None:
    message = written()
    message[6:8] = (44).to_bytes(2, "little")
    assert parse_frame(bytes(message[:40] + b"more" + message[40:])).picture == b"jpeg"
