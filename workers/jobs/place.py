"""What a worker has made ready for its horses; apart from them, since a horse loads models and the worker does not."""

from contextvars import ContextVar
from pathlib import Path
from typing import Final, NamedTuple

from common.settings import Settings


class Place(NamedTuple):
    """`scratch` is a folder that need not be there; each horse makes it anew."""

    settings: Settings
    scratch: Path


PLACE: Final[ContextVar[Place]] = ContextVar("place")
"""Set before a horse is forked: settings hold secrets, and so do not travel with the job."""
