"""The data set's own speech module, loaded from its folder: viseme table, flite and espeak-ng with phoneme times."""

import importlib.util
from functools import cache
from pathlib import Path
from types import ModuleType

import numpy as np
from numpy.typing import NDArray


@cache
def speech_module(data: Path) -> ModuleType:
    """Load ``scripts/speech.py`` of the data set."""
    spec = importlib.util.spec_from_file_location("avatar_speech", data / "scripts" / "speech.py")
    if spec is None or spec.loader is None:
        raise FileNotFoundError(data / "scripts" / "speech.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def viseme_table(data: Path) -> NDArray[np.float32]:
    """Return the mouth-rig weights of each viseme, shape (16, 12): a frame's rig is ``visemes @ table``."""
    return np.asarray(speech_module(data).TABLE, dtype=np.float32)
