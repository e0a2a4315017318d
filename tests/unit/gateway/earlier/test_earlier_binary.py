"""The binary layouts, byte by byte, and that nothing but a typed error comes of bytes that are none."""

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.errors import ProtocolError
from gateway.earlier.binary import (
    MODEL_NAME_MAX_BYTES,
    Answer,
    Failure,
    Mouth,
    Request,
    VideoFrame,
    pack,
    unpack_request,
)
from tests.earlier import pack_request, unpack

U32 = st.integers(0, 2**32 - 1)
FLOATS = st.floats(width=32, allow_nan=False)
NAMES = st.text(max_size=60).filter(lambda name: _is_text(name))

REQUEST = Request("demo", 7, b"\x01\x00\xff\xff")
REQUEST_HEX = "04000000 64656d6f 07000000 04000000 0100ffff"

ANSWERS: list[tuple[Answer, str]] = [
    (
        Mouth(258, 12, b"\xff\xd8\xff\xd9", (1.0, 2.0, 3.5, 4.0)),
        "01 02010000 0c000000 04000000 ffd8ffd9 10000000 0000803f 00000040 00006040 00008040",
    ),
    (Failure(0, 5, "nö"), "00 00000000 05000000 03000000 6ec3b6"),
    (VideoFrame(523, "full_body", b"\xff\xd8"), "02 0b020000 09 66756c6c5f626f6479 02000000 ffd8"),
]


def _is_text(text: str) -> bool:
    return not any(0xD800 <= ord(character) <= 0xDFFF for character in text)


def test_a_request_has_the_documented_bytes() -> None:
    assert pack_request(REQUEST) == bytes.fromhex(REQUEST_HEX)
    assert unpack_request(bytes.fromhex(REQUEST_HEX)) == REQUEST


@pytest.mark.parametrize(("answer", "hexadecimal"), ANSWERS, ids=["mouth", "error", "video frame"])
def test_an_answer_has_the_documented_bytes(answer: Answer, hexadecimal: str) -> None:
    assert pack(answer) == bytes.fromhex(hexadecimal)
    assert unpack(bytes.fromhex(hexadecimal)) == answer


def test_a_window_of_sixteen_chunks_is_a_request_of_30_736_bytes() -> None:
    message = pack_request(Request("demo", 0, bytes(16 * 960 * 2)))
    assert len(message) == 4 + 4 + 4 + 4 + 30_720


@settings(deadline=None)
@given(NAMES, U32, st.binary(max_size=200))
def test_requests_survive_the_round_trip(name: str, frame_id: int, audio: bytes) -> None:
    request = Request(name, frame_id, audio)
    assert unpack_request(pack_request(request)) == request


@settings(deadline=None)
@given(
    st.one_of(
        st.builds(Mouth, U32, U32, st.binary(max_size=99), st.tuples(FLOATS, FLOATS, FLOATS, FLOATS)),
        st.builds(Failure, U32, U32, NAMES),
        st.builds(VideoFrame, U32, NAMES, st.binary(max_size=99)),
    )
)
def test_answers_survive_the_round_trip(answer: Answer) -> None:
    packed = pack(answer)
    assert packed
    assert unpack(packed) == answer


def test_a_time_beyond_32_bits_is_cut() -> None:
    assert unpack(pack(Failure(1, 2**40, ""))) == Failure(1, 2**32 - 1, "")


@pytest.mark.parametrize(
    ("message", "field", "limit"),
    [
        (b"", "name_len", 0),
        (bytes.fromhex("0400"), "name_len", 2),
        (bytes.fromhex("05000000 64656d6f"), "model_name", 4),
        (bytes.fromhex("ffffffff 64656d6f"), "name_len", MODEL_NAME_MAX_BYTES),
        (bytes.fromhex("04000000 64656d6f 0700"), "frame_id", 2),
        (bytes.fromhex("04000000 64656d6f 07000000 0400"), "audio_len", 2),
        (bytes.fromhex("04000000 64656d6f 07000000 05000000 0100ffff"), "audio", 4),
        (bytes.fromhex("02000000 fffe 07000000 00000000"), "model_name", None),
        (bytes.fromhex(REQUEST_HEX + "00"), None, None),
    ],
    ids=[
        "nothing", "cut length", "cut name", "huge name", "cut frame_id", "cut audio length", "cut audio",
        "name not UTF-8", "left over",
    ],
)  # fmt: skip
def test_a_malformed_request_is_refused_by_field(message: bytes, field: str | None, limit: int | None) -> None:
    with pytest.raises(ProtocolError) as caught:
        unpack_request(message)
    assert (caught.value.field, caught.value.limit) == (field, limit)


def test_thousands_of_byte_strings_are_requests_or_typed_errors() -> None:
    refused: set[bytes] = set()
    patched = st.builds(lambda at, patch: _mutate(at, patch), U32, st.binary(min_size=1, max_size=4))

    @settings(max_examples=1_000, deadline=None)
    @given(st.one_of(st.binary(max_size=80), patched))
    def send(message: bytes) -> None:
        middle = len(message) // 2
        for each in (message, message[:middle], message + message, message[1:]):
            try:
                unpack_request(each)
            except ProtocolError:
                refused.add(each)

    send()
    assert len(refused) >= 2_000


def test_thousands_of_broken_messages_give_nothing_but_typed_errors() -> None:
    random = Random(5)
    good = bytes.fromhex(REQUEST_HEX)
    refused = 0
    for _ in range(20_000):
        message = bytearray(good)
        for _ in range(random.randint(1, 3)):
            message[random.randrange(len(message))] = random.randrange(256)
        del message[random.randint(0, 2 * len(message)) :]
        try:
            unpack_request(bytes(message))
        except ProtocolError:
            refused += 1
    assert refused > 10_000


def _mutate(at: int, patch: bytes) -> bytes:
    """The good request with some of its bytes replaced."""
    good = bytes.fromhex(REQUEST_HEX)
    at %= len(good)
    return good[:at] + patch + good[at + len(patch) :]
