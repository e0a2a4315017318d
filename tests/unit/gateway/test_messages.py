"""What clients may say, and what they are told when they say something else."""

import json

import pytest
from pydantic import ValidationError

from common.errors import ProtocolError
from gateway import messages


def test_start_has_defaults() -> None:
    start = messages.parse('{"type":"start"}')
    assert isinstance(start, messages.Start)
    assert (start.avatar, start.sample_rate, start.pace, start.idle) == ("demo", 24_000, "live", "client")
    assert (start.v, start.format, start.output, start.token) == (1, "s16le", "frame", None)


@pytest.mark.parametrize(
    ("text", "field", "limit"),
    [
        ('{"type":"start","sample_rate":7999}', "sample_rate", 8_000),
        ('{"type":"start","sample_rate":48001}', "sample_rate", 48_000),
        ('{"type":"start","sample_rate":"24000"}', "sample_rate", None),
        ('{"type":"start","avatar":"../../etc/passwd"}', "avatar", "^[a-z0-9][a-z0-9_-]{0,63}$"),
        ('{"type":"start","pace":"fast"}', "pace", "'live' or 'lossless'"),
        ('{"type":"start","quality":84}', "quality", "60, 75, 85 or 95"),
        ('{"type":"start","volume":3}', "volume", None),
        ('{"type":"start","v":2}', "v", 1),
        ('{"type":"start","v":true}', "v", None),
        ('{"type":"start","format":"f32"}', "format", "'s16le' or 'f32le'"),
        ('{"type":"start","output":"mouth"}', "output", "'frame' or 'patch'"),
        ('{"type":"start","token":7}', "token", None),
        ('{"type":"start","token":"' + "x" * 4_097 + '"}', "token", 4_096),
        ('{"type":"clear","shown":-1}', "shown", 0),
        ('{"type":"clear","shown":4294967296}', "shown", 4_294_967_295),
        ('{"type":"clear","shown":1.5}', "shown", None),
        ('{"type":"switch"}', "avatar", None),
        ('{"type":"switch","avatar":"No"}', "avatar", "^[a-z0-9][a-z0-9_-]{0,63}$"),
        ('{"type":"ping","id":[]}', "id", None),
        ('{"type":"ping","id":"' + "x" * 65 + '"}', "id", 64),
        ('{"type":"begin"}', "template", None),
        ('{"type":"begin","template":-1}', "template", 0),
        ('{"type":"fly"}', "type", None),
        ("{}", "type", None),
        ("[]", "type", None),
        ("not json", None, None),
        ("[" * 100_000, None, None),
    ],
)
def test_a_faulty_message_is_refused_with_field_and_limit(text: str, field: str | None, limit: object) -> None:
    with pytest.raises(ProtocolError) as caught:
        messages.parse(text)
    error = caught.value
    assert (error.field, error.code, error.retryable) == (field, "bad_message", False)
    if limit is not None:
        assert error.limit == limit


def test_messages_to_clients_are_compact_json() -> None:
    text = messages.dump("pong", id="a", server_ms=1.5)
    assert text == '{"type":"pong","id":"a","server_ms":1.5}'


def test_what_does_not_apply_is_left_out_and_what_may_be_null_is_there() -> None:
    error = json.loads(messages.dump("error", code="bad_audio", message="odd", retryable=False))
    assert error == {"type": "error", "code": "bad_audio", "message": "odd", "retryable": False}
    cleared = json.loads(messages.dump("cleared", epoch=1, next_frame=7, segment=None, position_ms=None))
    assert cleared["segment"] is None


@pytest.mark.parametrize("fields", [{}, {"server_ms": "now"}, {"server_ms": 1.0, "colour": "red"}])
def test_nothing_leaves_that_is_not_as_documented(fields: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        messages.dump("pong", **fields)
