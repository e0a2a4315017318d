"""What may be sent at which point of a session."""

import pytest

from common.errors import AudioError, InputError, ProtocolError
from gateway.checks import check_rate, checked_audio, checked_command


def test_audio_after_the_end_is_refused() -> None:
    with pytest.raises(ProtocolError, match="no audio may follow `end`"):
        checked_audio(b"\0\0", "s16le", max_bytes=10, is_ending=True)


def test_a_message_that_is_too_long_names_its_field_and_limit() -> None:
    with pytest.raises(ProtocolError) as caught:
        checked_audio(b"\0" * 12, "s16le", max_bytes=10, is_ending=False)
    assert (caught.value.field, caught.value.limit) == ("audio", 10)


def test_half_a_sample_is_refused() -> None:
    with pytest.raises(AudioError):
        checked_audio(b"\0", "s16le", max_bytes=10, is_ending=False)


@pytest.mark.parametrize("text", ['{"type": "clear"}', '{"type": "ping"}'])
def test_who_has_said_end_may_still_interrupt_and_ping(text: str) -> None:
    assert checked_command(text, is_ending=True).type in text


@pytest.mark.parametrize("text", ['{"type": "flush"}', '{"type": "end"}', '{"type": "switch", "avatar": "demo"}'])
def test_nothing_else_may_follow_the_end(text: str) -> None:
    with pytest.raises(ProtocolError, match="only `clear` and `ping`"):
        checked_command(text, is_ending=True)


def test_a_session_starts_once() -> None:
    with pytest.raises(ProtocolError, match="has started already"):
        checked_command('{"type": "start", "avatar": "demo"}', is_ending=False)


def test_an_avatar_of_another_frame_rate_needs_another_session() -> None:
    check_rate("other", 25, 25)
    with pytest.raises(InputError) as caught:
        check_rate("other", 30, 25)
    assert (caught.value.field, caught.value.limit) == ("avatar", 25)
