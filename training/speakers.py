"""Who speaks: the voices of flite, festival and espeak-ng, trained, kept to choose by, or held out."""

from collections.abc import Callable, Iterator, Sequence
from types import ModuleType
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from training import festival
from training.dataset import HELD_OUT_VOICES
from training.sentences import some_text

FLITE_VOICES: Final = ("slt", "rms", "awb")
"""Not kal: it is the speaker of the held-out kal16."""
LANGUAGES: Final = {
    "en-us": ("en", 7), "en": ("en", 6), "en-gb-scotland": ("en", 1), "en-gb-x-rp": ("en", 2), "en-029": ("en", 1),
    "de": ("de", 3), "es": ("es", 3), "es-419": ("es", 1), "fr": ("fr", 3), "it": ("it", 3), "pt": ("pt", 2),
    "pt-br": ("pt", 1), "nl": ("nl", 2), "sv": ("sv", 1), "pl": ("pl", 1), "fi": ("fi", 1),
}  # fmt: skip
"""espeak-ng language: its text file and how often it is drawn."""
VARIANTS: Final = (
    "", "", "+m1", "+m3", "+m4", "+m5", "+m6", "+m8", "+f1", "+f3", "+f4", "+Andy", "+Annie", "+Alex",
    "+Gene", "+Lee", "+Mario", "+Michael", "+Storm", "+adam", "+anika", "+announcer", "+antonio", "+aunty", "+belinda",
    "+benjamin", "+boris", "+caleb", "+david", "+ed", "+edward", "+grandma", "+grandpa", "+iven", "+john", "+klatt",
    "+klatt2", "+klatt4", "+linda", "+marcelo", "+max", "+michel", "+miguel", "+pablo", "+paul", "+pedro", "+quincy",
    "+rob", "+sandro", "+shelby", "+steph", "+travis", "+victor", "+zac",
)  # fmt: skip
"""Voice variants, without f2 and m2, which are held out in every language, and without f5 and m7, kept to choose by."""
CHECK_VOICES: Final = (
    "pc_diphone", "czech_ph", "en-us+f5", "en+m7", "de+m7", "it+f5", "pt+m7", "fr+f5",
    "ked_diphone", "lp_diphone", "slt", "rms", "en-us+f3", "es+m3",
)  # fmt: skip
"""The first eight are in no training data; the others are trained, and tell how much the unknown ones lose."""
UNTRAINED: Final = frozenset((*HELD_OUT_VOICES, *CHECK_VOICES[:8]))
FESTIVAL_BATCH: Final = 40


class Utterance(NamedTuple):
    """A voice, what it said at 16 kHz, (n_samples,), and its timed visemes (start, end, viseme)."""

    voice: str
    sound: NDArray[np.float32]
    segments: list[tuple[float, float, str]]


def flite_speech(speech: ModuleType, voices: Sequence[str], random: np.random.Generator) -> Iterator[Utterance]:
    """Yield without end what flite's voices say."""
    while True:
        voice = str(random.choice(voices))
        yield Utterance(voice, *speech.flite(voice, some_text("en", random)))


def festival_speech(speech: ModuleType, voices: Sequence[str], random: np.random.Generator) -> Iterator[Utterance]:
    """Yield without end what festival's voices say, a batch of one voice at a time, at several pitches and rates."""
    weights = np.array([festival.VOICES[voice].weight for voice in voices])
    while True:
        voice = str(random.choice(voices, p=weights / weights.sum()))
        text = festival.VOICES[voice].text
        lines = [
            festival.Line(some_text(text, random), float(random.uniform(0.7, 1.5)), float(random.uniform(0.75, 1.35)))
            for _ in range(FESTIVAL_BATCH)
        ]
        for sound, segments in festival.say(speech, voice, lines):
            yield Utterance(voice, sound, segments)


def espeak_speech(
    espeak: Callable[..., Any], voices: Sequence[str], random: np.random.Generator
) -> Iterator[Utterance]:
    """Yield without end what espeak-ng's voices say, at several pitches and rates."""
    while True:
        voice = str(random.choice(voices))
        rate, pitch = int(random.integers(110, 225)), int(random.integers(15, 90))
        text = some_text(LANGUAGES[voice.split("+")[0]][0], random)
        yield Utterance(voice, *espeak(voice, text, rate=rate, pitch=pitch))


def trained_espeak_voices() -> list[str]:
    """Return every language with every variant, as often as it shall be drawn."""
    names = (
        language + variant for language, (_, count) in LANGUAGES.items() for variant in VARIANTS for _ in range(count)
    )
    return [name for name in names if name not in UNTRAINED]
