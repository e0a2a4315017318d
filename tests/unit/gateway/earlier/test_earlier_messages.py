"""What earlier clients say: recognised, parsed, or refused with an error of the shape that they know."""

import base64
import json
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.errors import AudioError, ProtocolError
from gateway.earlier import messages
from gateway.earlier.binary import Request
from gateway.earlier.messages import failure, is_earlier, parse, pcm_of
from tests.earlier import pack_request
from tests.unit.gateway.malformed import spoilt

GOOD: list[dict[str, Any]] = [
    {"type": "audio_chunk", "audio_data": "AAA=", "timestamp": 123.4},
    {"type": "get_frame"},
    {"type": "set_model", "model_name": "demo"},
    {"type": "get_stats"},
    {"type": "get_reference_image", "model_name": "demo", "request_id": "r1"},
    {"type": "list_models"},
    {"type": "get_models"},
    {"type": "get_metadata", "model_name": "demo"},
    {"type": "get_video_frame", "model_name": "demo", "frame_id": 3, "video_type": "full_body"},
    {"type": "switch_to_binary"},
    {"type": "test_binary"},
    {"type": "inference", "model_name": "demo", "frame_id": 3, "audio_override": "AAA="},
]


@pytest.mark.parametrize("message", GOOD, ids=lambda message: message["type"])
def test_every_message_is_recognised_and_parsed(message: dict[str, Any]) -> None:
    text = json.dumps(message)
    assert is_earlier(text)
    assert parse(text).type == message["type"]


def test_all_types_are_covered_here() -> None:
    assert {message["type"] for message in GOOD} == messages.TYPES


@pytest.mark.parametrize("kind", [{}, {"type": ""}])
def test_a_request_without_a_type_asks_for_a_mouth(kind: dict[str, str]) -> None:
    text = json.dumps(kind | {"model_name": "demo", "frame_id": 5, "audio_override": "AAA="})
    assert is_earlier(text)
    assert parse(text) == messages.Inference(type="inference", model_name="demo", frame_id=5, audio_override="AAA=")


@pytest.mark.parametrize(
    "text", ['{"type":"start"}', '{"type":"clear"}', '{"type":"sing"}', "{}", "[]", "7", "hello", '{"type":[]}', ""]
)
def test_other_messages_are_not_of_an_earlier_protocol(text: str) -> None:
    assert not is_earlier(text)


def test_binary_requests_are_recognised_and_speech_is_not_taken_for_one() -> None:
    good = pack_request(Request("demo", 1, b"\1\0" * 100))
    assert is_earlier(good)
    assert is_earlier(good[:-1]), "a faulty request of an earlier client is answered in its own language"
    assert is_earlier(pack_request(Request("", 1, b"")))
    assert not is_earlier(b"\1\0" * 1_600)
    assert not is_earlier(b"\0" * 3_200)
    assert not is_earlier(b"")


@pytest.mark.parametrize(
    ("message", "field", "limit"),
    [
        ({"type": "audio_chunk"}, "audio_data", None),
        ({"type": "audio_chunk", "audio_data": 5}, "audio_data", None),
        ({"type": "audio_chunk", "audio_data": "", "sample_rate": 96_000}, "sample_rate", 48_000),
        ({"type": "get_video_frame", "frame_id": -1}, "frame_id", 0),
        ({"type": "get_video_frame", "frame_id": 2**32}, "frame_id", 2**32 - 1),
        ({"type": "get_video_frame", "frame_id": "1"}, "frame_id", None),
        ({"type": "get_video_frame", "video_type": "rois_320"}, "video_type", "'full_body', 'crops_328' or 'face'"),
        ({"type": "set_model", "model_name": "x" * 300}, "model_name", 256),
        ({"type": "inference", "frame_id": 1.5}, "frame_id", None),
        ({"type": "inference", "request_id": []}, "request_id", None),
        ({"type": 7}, "type", None),
        ({}, "type", None),
    ],
)
def test_a_faulty_message_is_refused_by_field(message: dict[str, Any], field: str, limit: Any) -> None:
    with pytest.raises(ProtocolError) as caught:
        parse(json.dumps(message))
    assert caught.value.field == field
    if limit is not None:
        assert caught.value.limit == limit


@pytest.mark.parametrize(
    ("encoded", "words"),
    [
        ("AAA", "base64"),
        ("%%%%", "base64"),
        ("AA==", "even number"),
        ("ÄÖ==", "base64"),
        (base64.b64encode(b"RIFF\0\0\0\0WAVE").decode(), "WAV"),
    ],
)
def test_what_is_not_pcm_in_base64_is_refused(encoded: str, words: str) -> None:
    with pytest.raises(AudioError, match=words):
        pcm_of(encoded, "audio_data")


def test_chunks_joined_as_base64_are_the_chunks_joined() -> None:
    chunks = [bytes([k]) * 1_920 for k in range(16)]
    joined = "".join(base64.b64encode(chunk).decode() for chunk in chunks)
    assert pcm_of(joined, "audio_override") == b"".join(chunks)


ERROR = ProtocolError("it is wrong", field="frame_id", limit=3)


def test_an_error_says_it_in_the_old_words_and_the_new() -> None:
    assert json.loads(failure(ERROR, '{"type":"get_stats"}')) == {
        "type": "error",
        "success": False,
        "error": "it is wrong",
        "code": "bad_message",
        "message": "it is wrong",
        "field": "frame_id",
        "limit": 3,
        "retryable": False,
    }


@pytest.mark.parametrize(
    ("asked", "kind"),
    [
        ({"type": "list_models"}, "model_list"),
        ({"type": "get_models"}, "models"),
        ({"type": "get_metadata", "model_name": "x"}, "metadata"),
        ({"type": "get_video_frame", "model_name": "x", "frame_id": 9, "video_type": "full_body"}, "video_frame"),
        ({"type": "get_reference_image", "model_name": "x", "request_id": "7"}, "reference_image"),
        ({"type": "inference", "model_name": "x", "frame_id": 9, "request_id": 4}, "error"),
        ({"model_name": "x", "frame_id": 9}, "error"),
        ({"type": "nonsense"}, "error"),
    ],
)
def test_a_failure_has_the_type_that_its_client_awaits_and_its_identity(asked: dict[str, Any], kind: str) -> None:
    answer = json.loads(failure(ERROR, json.dumps(asked)))
    assert answer["type"] == kind
    assert (answer["success"], answer["error"], answer["code"]) == (False, "it is wrong", "bad_message")
    assert {key: answer[key] for key in asked if key != "type"} == {k: v for k, v in asked.items() if k != "type"}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=12), children, max_size=3),
    max_leaves=6,
)
FIELDS = st.sampled_from(
    ["model_name", "frame_id", "audio_data", "audio_override", "video_type", "request_id", "sample_rate", "output"]
)
TYPES = st.sampled_from(sorted(messages.TYPES)) | st.text(max_size=8) | JSON
ALMOST = st.builds(lambda kind, rest: rest | {"type": kind}, TYPES, st.dictionaries(FIELDS, JSON, max_size=5))


def test_thousands_of_texts_are_requests_or_typed_errors_that_can_be_read() -> None:
    refused: set[str] = set()

    @settings(max_examples=600, deadline=None)
    @given(st.one_of(ALMOST.map(json.dumps), JSON.map(json.dumps), st.text(max_size=40)))
    def send(text: str) -> None:
        for each in spoilt(text):
            assert is_earlier(each) in (True, False)
            if error := refusal(each):
                answer = json.loads(failure(error, each))
                assert answer["success"] is False
                assert answer["error"] == answer["message"]
                refused.add(each)

    send()
    assert len(refused) >= 2_000


def broken(random: Random) -> str:
    """One of the good messages with a few fields spoilt, sometimes cut short."""
    values: list[Any] = [None, True, -1, 2**40, 1.5, "", "x" * 300, "tiny", "AAA=", [], {}, [1], {"a": 1}]
    message = dict(random.choice(GOOD))
    for _ in range(random.randint(1, 3)):
        message[random.choice([*message, "frame_id", "model_name", "request_id"])] = random.choice(values)
    text = json.dumps(message)
    return text if random.random() < 0.8 else text[: random.randrange(len(text))]


def refusal(text: str) -> ProtocolError | None:
    try:
        parse(text)
    except ProtocolError as error:
        return error
    return None


def test_thousands_of_broken_messages_give_nothing_but_typed_errors() -> None:
    random = Random(6)
    refusals = [(text, error) for text in (broken(random) for _ in range(5_000)) if (error := refusal(text))]
    assert len(refusals) > 2_000
    assert all(json.loads(failure(error, text))["success"] is False for text, error in refusals)


def test_a_message_nested_too_deeply_is_a_typed_error() -> None:
    text = "[" * 100_000
    assert not is_earlier(text)
    with pytest.raises(ProtocolError):
        parse(text)
