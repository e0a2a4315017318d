"""Makes hours of labelled synthetic speech: many flite, festival and espeak-ng voices, rates, pitches and texts.

A corpus is four files: ``NAME_audio.npy`` (int16, 16 kHz, all utterances in a row), ``NAME_labels.npy`` (float16 viseme
weights at `LABEL_RATE_HZ`), ``NAME_index.npy`` (first sample and length, first label and length) and
``NAME_voices.json`` (the voice of each utterance). Two are made: ``speech`` to train on, and ``check``, a little of
each of `training.speakers.CHECK_VOICES`, to choose by.
"""

import argparse
import json
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import numpy as np

from training import festival
from training.dataset import SAMPLE_RATE_HZ
from training.rig import speech_module
from training.speakers import (
    CHECK_VOICES,
    FLITE_VOICES,
    UNTRAINED,
    Utterance,
    espeak_speech,
    festival_speech,
    flite_speech,
    trained_espeak_voices,
)

LABEL_RATE_HZ: Final = 100
SHARES: Final = {"flite": 0.2, "festival": 0.35, "espeak": 0.45}
"""How much of the time each synthesiser speaks."""
CHECK_UTTERANCES: Final = 25


def speech_to_train(speech: ModuleType, espeak: Callable[..., Any], hours: float, seed: int) -> Iterator[Utterance]:
    """Yield until the hours are full, each synthesiser its share."""
    random = np.random.default_rng(seed)
    festival_voices = [voice for voice in festival.VOICES if voice not in UNTRAINED]
    sources = {
        "flite": flite_speech(speech, FLITE_VOICES, random),
        "festival": festival_speech(speech, festival_voices, random),
        "espeak": espeak_speech(espeak, trained_espeak_voices(), random),
    }
    made_s = dict.fromkeys(sources, 0.0)
    while sum(made_s.values()) < 3600 * hours:
        source = min(sources, key=lambda name: made_s[name] / SHARES[name])
        utterance = next(sources[source])
        made_s[source] += len(utterance.sound) / SAMPLE_RATE_HZ
        yield utterance


def speech_to_check(speech: ModuleType, espeak: Callable[..., Any], seed: int) -> Iterator[Utterance]:
    """Yield some utterances of each voice of `CHECK_VOICES`."""
    random = np.random.default_rng(seed)
    for voice in CHECK_VOICES:
        if voice in FLITE_VOICES:
            source = flite_speech(speech, (voice,), random)
        elif voice in festival.VOICES:
            source = festival_speech(speech, (voice,), random)
        else:
            source = espeak_speech(espeak, (voice,), random)
        yield from islice(source, CHECK_UTTERANCES)


def write(speech: ModuleType, work: Path, name: str, utterances: Iterable[Utterance]) -> None:
    """Write one corpus."""
    sounds, labels, index, voices = [], [], [], []
    first_sample = first_label = 0
    for voice, sound, segments in utterances:
        weights = speech.track(segments, len(sound) / SAMPLE_RATE_HZ).astype(np.float16)
        sounds.append(np.rint(sound * 32767).astype(np.int16))
        labels.append(weights)
        index.append((first_sample, len(sound), first_label, len(weights)))
        voices.append(voice)
        first_sample, first_label = first_sample + len(sound), first_label + len(weights)
        if len(index) % 500 == 0:
            print(f"{len(index)} utterances, {first_sample / SAMPLE_RATE_HZ / 3600:.2f} h", flush=True)
    np.save(work / f"{name}_audio.npy", np.concatenate(sounds))
    np.save(work / f"{name}_labels.npy", np.concatenate(labels))
    np.save(work / f"{name}_index.npy", np.array(index, dtype=np.int64))
    (work / f"{name}_voices.json").write_text(json.dumps(voices))


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description="Make labelled synthetic speech.")
    parser.add_argument("--data", type=Path, required=True, help="folder of the data set")
    parser.add_argument("--work", type=Path, required=True, help="folder for what the stages make")
    parser.add_argument("--hours", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=5)
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    festival.check_installed()
    speech = speech_module(options.data)
    setattr(speech, "FPS", LABEL_RATE_HZ)  # noqa: B010  (a module without stubs)
    espeak = speech.Espeak()  # the library stands one in a process
    write(speech, options.work, "check", speech_to_check(speech, espeak, options.seed + 1))
    write(speech, options.work, "speech", speech_to_train(speech, espeak, options.hours, options.seed))


if __name__ == "__main__":
    main()
