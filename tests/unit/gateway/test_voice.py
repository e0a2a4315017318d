"""Which sessions the pipeline must reckon with."""

from gateway.voice import BREATH_S, SETTLING_S, Voice

SETTLED_S = 100 + SETTLING_S


def test_a_session_that_has_just_come_counts_before_it_speaks() -> None:
    voice = Voice(opened_s=100)
    assert voice.counts(100)
    assert not voice.speaks(100)
    assert not voice.counts(SETTLED_S)


def test_a_session_speaks_while_its_audio_comes() -> None:
    voice = Voice(opened_s=0)
    for chunk in range(100):
        voice.hear(0.04, 100 + chunk * 0.04)
    assert voice.speaks(104)
    assert not voice.speaks(104.1 + BREATH_S)


def test_speech_that_came_at_once_counts_for_as_long_as_it_lasts() -> None:
    voice = Voice(opened_s=0)
    voice.hear(3, 100)
    voice.hear(2, 100)
    assert voice.counts(104.9)
    assert not voice.counts(105.1 + BREATH_S)


def test_silence_between_two_utterances_is_not_made_up_for() -> None:
    voice = Voice(opened_s=0)
    voice.hear(1, 100)
    voice.hear(1, 160)
    assert not voice.speaks(161.1 + BREATH_S)
