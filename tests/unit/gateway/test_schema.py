"""The published JSON Schema is that of the code, and says what the code does."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from common.errors import ProtocolError
from gateway import messages
from gateway.schema import PAGE, schema, text

SCHEMA = json.loads(PAGE.read_text(encoding="utf-8"))
FIELDS = [
    "v",
    "avatar",
    "sample_rate",
    "format",
    "pace",
    "idle",
    "output",
    "quality",
    "token",
    "template",
    "shown",
    "id",
]
VALUES = [None, True, -1, 0, 1, 2, 85, 24_000, 2**40, 0.5, "", "demo", "live", "f32le", "patch", "x" * 65, [], {}]


def side(name: str) -> Draft202012Validator:
    return Draft202012Validator(SCHEMA | {"anyOf": [{"$ref": f"#/$defs/{name}"}]})


def test_the_page_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == text(), "run `python -m gateway.schema`"


def test_the_page_is_a_json_schema() -> None:
    Draft202012Validator.check_schema(schema())


@pytest.mark.parametrize(
    "message",
    [
        {"type": "pong", "server_ms": 1.0, "of_a_later_version": 1},
        {"type": "error", "code": "bad_audio", "message": "odd", "retryable": False, "limit": 2},
    ],
)
def test_fields_of_a_later_server_are_no_fault(message: dict[str, object]) -> None:
    assert side("server").is_valid(message)
    assert not side("client").is_valid(message)


@given(
    st.sampled_from(["start", "begin", "flush", "clear", "switch", "ping", "end", "sing"]),
    st.dictionaries(st.sampled_from(FIELDS), st.sampled_from(VALUES), max_size=3),
)
def test_the_schema_accepts_of_clients_what_the_gateway_does(kind: str, fields: dict[str, object]) -> None:
    message = {"type": kind, **fields}
    try:
        messages.parse(json.dumps(message))
        accepted = True
    except ProtocolError:
        accepted = False
    assert side("client").is_valid(message) == accepted
