"""Makes hours of labelled synthetic speech: many flite and espeak-ng voices, rates, pitches and texts.

The corpus is three files: ``speech_audio.npy`` (int16, 16 kHz, all utterances in a row), ``speech_labels.npy`` (float16
viseme weights at `LABEL_RATE_HZ`) and ``speech_index.npy`` (first sample and length, first label and length).
"""

import argparse
import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Final

import numpy as np
from numpy.typing import NDArray

from training.dataset import HELD_OUT_VOICES, SAMPLE_RATE_HZ
from training.rig import speech_module

LABEL_RATE_HZ: Final = 100
TEXTS: Final = Path(__file__).parent / "texts"
FLITE_VOICES: Final = ("slt", "rms", "awb")
"""Not kal: it is the speaker of the held-out kal16."""
LANGUAGES: Final = {
    "en-us": ("en", 7), "en": ("en", 6), "en-gb-scotland": ("en", 1), "en-gb-x-rp": ("en", 2), "en-029": ("en", 1),
    "de": ("de", 3), "es": ("es", 3), "es-419": ("es", 1), "fr": ("fr", 3), "it": ("it", 3), "pt": ("pt", 2),
    "pt-br": ("pt", 1), "nl": ("nl", 2), "sv": ("sv", 1), "pl": ("pl", 1), "fi": ("fi", 1),
}  # fmt: skip
"""espeak-ng language: its text file and how often it is drawn."""
VARIANTS: Final = (
    "", "", "+m1", "+m3", "+m4", "+m5", "+m6", "+m7", "+m8", "+f1", "+f3", "+f4", "+f5", "+Andy", "+Annie", "+Alex",
    "+Gene", "+Lee", "+Mario", "+Michael", "+Storm", "+adam", "+anika", "+announcer", "+antonio", "+aunty", "+belinda",
    "+benjamin", "+boris", "+caleb", "+david", "+ed", "+edward", "+grandma", "+grandpa", "+iven", "+john", "+klatt",
    "+klatt2", "+klatt4", "+linda", "+marcelo", "+max", "+michel", "+miguel", "+pablo", "+paul", "+pedro", "+quincy",
    "+rob", "+sandro", "+shelby", "+steph", "+travis", "+victor", "+zac",
)  # fmt: skip
"""Voice variants, without f2 and m2, which are held out in every language."""


@cache
def sentences(language: str) -> tuple[str, ...]:
    """Return the sentences of one text file."""
    return tuple((TEXTS / f"{language}.txt").read_text().split("\n")[:-1])


def some_text(language: str, random: np.random.Generator) -> str:
    """Return a sentence, or now and then a row of words drawn from all of them."""
    lines = sentences(language)
    if random.random() < 0.35:
        return str(random.choice(lines))
    words = " ".join(lines).split()
    chosen = random.choice(words, int(random.integers(3, 11)))
    return " ".join(str(word) for word in chosen)


def utterances(speech: ModuleType, hours: float, seed: int) -> Iterator[tuple[str, NDArray[np.float32], list[object]]]:
    """Yield (voice, sound, timed visemes) until the hours are full; a quarter comes from flite."""
    random = np.random.default_rng(seed)
    espeak = speech.Espeak()
    languages, counts = list(LANGUAGES), np.array([weight for _, weight in LANGUAGES.values()], dtype=float)
    made_s = {"flite": 0.0, "espeak": 0.0}
    while sum(made_s.values()) < 3600 * hours:
        if made_s["flite"] <= made_s["espeak"] / 3:
            voice = str(random.choice(FLITE_VOICES))
            sound, segments = speech.flite(voice, some_text("en", random))
            made_s["flite"] += len(sound) / SAMPLE_RATE_HZ
        else:
            language = str(random.choice(languages, p=counts / counts.sum()))
            voice = language + str(random.choice(VARIANTS))
            if voice in HELD_OUT_VOICES:
                continue
            rate, pitch = int(random.integers(110, 225)), int(random.integers(15, 90))
            sound, segments = espeak(voice, some_text(LANGUAGES[language][0], random), rate=rate, pitch=pitch)
            made_s["espeak"] += len(sound) / SAMPLE_RATE_HZ
        yield voice, sound, segments


def make(data: Path, work: Path, hours: float, seed: int) -> None:
    """Write the corpus."""
    speech = speech_module(data)
    setattr(speech, "FPS", LABEL_RATE_HZ)  # noqa: B010  (a module without stubs)
    sounds, labels, index = [], [], []
    voices: dict[str, float] = {}
    first_sample = first_label = 0
    for voice, sound, segments in utterances(speech, hours, seed):
        weights = speech.track(segments, len(sound) / SAMPLE_RATE_HZ).astype(np.float16)
        sounds.append(np.rint(sound * 32767).astype(np.int16))
        labels.append(weights)
        index.append((first_sample, len(sound), first_label, len(weights)))
        first_sample, first_label = first_sample + len(sound), first_label + len(weights)
        voices[voice] = voices.get(voice, 0.0) + len(sound) / SAMPLE_RATE_HZ
        if len(index) % 500 == 0:
            print(f"{len(index)} utterances, {first_sample / SAMPLE_RATE_HZ / 3600:.2f} h", flush=True)
    np.save(work / "speech_audio.npy", np.concatenate(sounds))
    np.save(work / "speech_labels.npy", np.concatenate(labels))
    np.save(work / "speech_index.npy", np.array(index, dtype=np.int64))
    (work / "speech_voices.json").write_text(json.dumps({name: round(s, 1) for name, s in sorted(voices.items())}))


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description="Make labelled synthetic speech.")
    parser.add_argument("--data", type=Path, required=True, help="folder of the data set")
    parser.add_argument("--work", type=Path, required=True, help="folder for what the stages make")
    parser.add_argument("--hours", type=float, default=6.0)
    parser.add_argument("--seed", type=int, default=5)
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    make(options.data, options.work, options.hours, options.seed)


if __name__ == "__main__":
    main()
