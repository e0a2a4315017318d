"""Whether a run gives the pictures that were recorded; pure."""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from common.errors import LipstreamError
from common.recording.hashes import hash_of
from common.recording.recording import Key, Recording
from common.recording.records import Frame
from workers.offline.replay import Shown


class ReplayError(LipstreamError):
    """A run does not give what was recorded, or cannot."""

    code = "replay_differs"


class Difference(NamedTuple):
    """The first frame that is not as recorded; `shown` is None where it did not come at all."""

    key: Key
    recorded: Frame
    shown: Shown | None

    def as_dict(self) -> dict[str, Any]:
        return {
            **self.key._asdict(),
            "frame": self.recorded.frame,
            "recorded": self.recorded.hash.hex(),
            "replayed": hash_of(self.shown.picture).hex() if self.shown else None,
        }

    def as_text(self) -> str:
        place = f"frame {self.key.offset} of the segment at sample {self.key.audio}, epoch {self.key.epoch}"
        place += f" (frame {self.recorded.frame} of the session)"
        if self.shown is None:
            return f"{place} was recorded and did not come"
        return f"{place}: recorded {self.recorded.hash.hex()}, replayed {hash_of(self.shown.picture).hex()}"


@dataclass(slots=True)
class Check:
    """Compares frames as they come with the recorded ones; more frames than were recorded are no difference."""

    recording: Recording
    compared: int = 0
    difference: Difference | None = None
    _awaited: dict[Key, Frame] = field(init=False)

    def __post_init__(self) -> None:
        self._awaited = self.recording.comparable()

    def see(self, shown: Shown) -> None:
        """A frame of the run."""
        recorded = self._awaited.pop(shown.key, None)
        if recorded is None:
            return
        self.compared += 1
        if self.difference is None and hash_of(shown.picture) != recorded.hash:
            self.difference = Difference(shown.key, recorded, shown)

    def finish(self) -> None:
        """The run is over: what is still awaited did not come."""
        for key, recorded in self._awaited.items():
            self.difference = self.difference or Difference(key, recorded, None)
