"""The bytes of a frame's header, pinned."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import ProtocolError
from common.frames import HEADER_BYTES, Flag, FrameHeader, with_flags

HEADER = FrameHeader(epoch=1, frame=2, pts_us=80_000, template=3, bounds=(4, 5, 6, 7), flags=Flag.LAST)
GOLDEN = bytes.fromhex("4c530101040028000100000002000000803801000000000003000000040005000600070003000000") + b"abc"


def test_the_header_is_forty_bytes_and_as_documented() -> None:
    assert HEADER_BYTES == 40
    assert HEADER.pack(b"abc") == GOLDEN


def test_unpack_is_the_inverse_of_pack() -> None:
    assert FrameHeader.unpack(GOLDEN) == (HEADER, b"abc")


def test_flags_are_added_without_touching_the_rest() -> None:
    header, picture = FrameHeader.unpack(with_flags(GOLDEN, Flag.CONCEALED))
    assert header == HEADER._replace(flags=Flag.LAST | Flag.CONCEALED)
    assert picture == b"abc"


@given(st.binary(max_size=100))
def test_any_other_bytes_are_refused(message: bytes) -> None:
    with pytest.raises(ProtocolError):
        FrameHeader.unpack(message)


@pytest.mark.parametrize("message", [GOLDEN[:-1], GOLDEN + b"x", b"XX" + GOLDEN[2:], GOLDEN[:2] + b"\2" + GOLDEN[3:]])
def test_a_frame_of_another_length_magic_or_version_is_refused(message: bytes) -> None:
    with pytest.raises(ProtocolError):
        FrameHeader.unpack(message)
