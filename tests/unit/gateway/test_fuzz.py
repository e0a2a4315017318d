"""Whatever a client sends, nothing leaves the parser or the state machine but our typed errors."""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.avatars.package import Avatar
from common.errors import AudioError, ProtocolError
from common.records import Checkpoint
from gateway import messages
from gateway.messages import Begin, Clear, End, Flush, Start, dump
from gateway.samples import SAMPLE_BYTES, to_pcm16
from tests.unit.gateway.driven import core, tasks
from tests.unit.gateway.malformed import json_values, message_like, near_json, spoilt

THOUSANDS = settings(max_examples=1_000, deadline=None)
EXAMPLES = 500


def is_refused(text: str) -> bool:
    """Parse; a refusal must be one that can be told to the client."""
    try:
        messages.parse(text)
    except ProtocolError as error:
        report = json.loads(dump("error", **error.as_dict()))
        assert report["code"] == "bad_message"
        assert len(report.get("field", "")) <= 64
        assert len(report["message"]) < 300
        return True
    return False


@pytest.mark.parametrize(
    "texts",
    [
        pytest.param(st.text(), id="any text"),
        pytest.param(json_values().map(json.dumps), id="any JSON"),
        pytest.param(message_like().map(json.dumps), id="almost right"),
        pytest.param(near_json(), id="almost JSON"),
    ],
)
def test_thousands_of_malformed_messages_are_refused_in_words(texts: st.SearchStrategy[str]) -> None:
    refused: set[str] = set()

    @settings(max_examples=EXAMPLES, deadline=None)
    @given(texts)
    def send(text: str) -> None:
        refused.update(filter(is_refused, spoilt(text)))

    send()
    assert len(refused) >= 1_500


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        '{"type":' * 50_000 + "1" + "}" * 50_000,
        '{"type":"start","sample_rate":' + "9" * 5_000 + "}",
        '{"type":"start","sample_rate":' + "9" * 4_000 + "}",
        '{"type":"clear","shown":1e400}',
        '{"type":"clear","shown":NaN}',
        '{"type":"clear","shown":-Infinity}',
        '{"type":"start","\\ud800":1}',
        '{"type":"\\udfff"}',
        '{"type":"ping","id":"\\ud800"}',
        '{"type":"start","avatar":"\\u0000"}',
        '{"type":"start","token":"\\ud800"}',
        '{"type":"start","' + "x" * 100_000 + '":1}',
        '{"type":"' + "x" * 100_000 + '"}',
        '{"type":["start"]}',
        '{"type":{"start":1}}',
        '{"type":null}',
        '{"type":"start","type":"end"}',
        "\ufeff{}",
        "",
        "\0",
    ],
)
def test_known_traps(text: str) -> None:
    is_refused(text)


@THOUSANDS
@given(st.binary(max_size=64), st.sampled_from(list(SAMPLE_BYTES)))
def test_any_audio(audio: bytes, encoding: Any) -> None:
    whole = len(audio) % SAMPLE_BYTES[encoding] == 0
    try:
        pcm = to_pcm16(audio, encoding)
    except AudioError:
        finite = encoding == "s16le" or bool(np.isfinite(np.frombuffer(audio[: len(audio) // 4 * 4], "<f4")).all())
        assert not whole or not finite
    else:
        assert len(pcm) == len(audio) // SAMPLE_BYTES[encoding] * 2


Command = Flush | Clear | Begin | End
commands = st.one_of(
    st.builds(Flush, type=st.just("flush")),
    st.builds(Clear, type=st.just("clear"), shown=st.none() | st.integers(0, 2**32 - 1)),
    st.builds(Begin, type=st.just("begin"), template=st.integers(0, 2**31)),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(commands | st.binary(max_size=3_000), max_size=30))
def test_any_order_of_audio_and_commands(tiny_avatar: Avatar, items: list[bytes | Command]) -> None:
    session, epoch = core(tiny_avatar), 0
    for item in items:
        match item:
            case bytes():
                try:
                    session.audio(to_pcm16(item, "s16le"), 0)
                except AudioError:
                    assert len(item) % 2
            case Flush():
                assert all(task.samples >= 0 for task in tasks(session.flush(0)))
            case Clear(shown=shown):
                epoch += 1
                (checkpoint,) = session.clear(shown)
                assert isinstance(checkpoint, Checkpoint)
                assert checkpoint.epoch == epoch
            case Begin(template=template):
                session.begin(template)
    session.end(0)
    session.tick(10_000)
    session.tick(20_000)
    assert session.in_flight == sum(isinstance(item.message, bytes) for item in session.outbox)


def test_the_parser_knows_every_message() -> None:
    kinds: list[tuple[str, type]] = [("start", Start), ("flush", Flush), ("clear", Clear), ("end", End)]
    for kind, model in kinds:
        assert isinstance(messages.parse(json.dumps({"type": kind})), model)
