"""What clients may say, and what they are told when they say something else."""

import json

import pytest

from common.errors import ProtocolError
from gateway import messages


def test_start_has_defaults() -> None:
    start = messages.parse('{"type":"start"}')
    assert isinstance(start, messages.Start)
    assert (start.avatar, start.sample_rate, start.pace, start.idle) == ("demo", 24_000, "live", "client")


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
    assert json.loads(messages.dump("cleared", epoch=2, next_frame=7)) == {
        "type": "cleared",
        "epoch": 2,
        "next_frame": 7,
    }
