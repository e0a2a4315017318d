"""After `resumed` a server says again what it said of frames that had not come; here it is known again."""

from dataclasses import dataclass, field
from math import inf

from lipstream_client.events import Cleared, Event, Segment, SpeakEnded, SpeakStarted
from lipstream_client.frames import Frame


@dataclass(slots=True)
class Repeats:
    """The newest of what was said of each kind; numbers only rise."""

    _newest: dict[type, float] = field(default_factory=dict)

    def is_one(self, item: Frame | Event) -> bool:
        """Whether that was said before."""
        return _number(item) <= self._newest.get(type(item), -1)

    def note(self, item: Frame | Event) -> None:
        """It is said now."""
        if isinstance(item, Segment | SpeakStarted | SpeakEnded | Cleared):
            self._newest[type(item)] = _number(item)


def _number(item: Frame | Event) -> float:
    match item:
        case Segment() | SpeakStarted() | SpeakEnded():
            return item.segment
        case Cleared():
            return item.epoch
    return inf
