"""A file gives what it holds up to where it broke off, wherever that is."""

from hypothesis import given
from hypothesis import strategies as st

from common.recording import framing
from common.recording.records import decode
from tests.unit.common.recording.small import barge_in, file_of


def test_a_file_cut_at_any_byte_gives_every_record_that_is_whole() -> None:
    records = barge_in()
    data = file_of(*records)
    sizes = [len(file_of(*records[:count])) for count in range(len(records) + 1)]
    for stop in range(len(data) + 1):
        found = framing.unpack(data[:stop])
        whole = sum(size <= stop for size in sizes[1:])
        assert [decode(content) for content in found.contents] == records[:whole]
        assert found.lost_bytes == stop - (sizes[whole] if stop >= sizes[0] else 0)


@given(place=st.integers(min_value=0), bit=st.integers(0, 7))
def test_a_flipped_bit_costs_what_is_behind_it_and_changes_nothing_before(place: int, bit: int) -> None:
    records = barge_in()
    data = bytearray(file_of(*records))
    place %= len(data)
    data[place] ^= 1 << bit
    found = framing.unpack(bytes(data))
    before = sum(len(file_of(*records[:count])) <= place for count in range(1, len(records) + 1))
    assert [decode(content) for content in found.contents] == (records[:before] if place >= 8 else [])
    assert found.lost_bytes > 0


@given(st.binary(max_size=200))
def test_bytes_of_any_kind_are_no_error(data: bytes) -> None:
    assert framing.unpack(data).lost_bytes <= len(data)
    found = framing.unpack(framing.MAGIC + data)
    assert sum(len(framing.pack(content)) for content in found.contents) + found.lost_bytes == len(data)
