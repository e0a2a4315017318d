"""What recordings prove: nothing missing, nothing twice, order, equal bytes, and how long faults were felt; pure."""

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise
from statistics import median
from typing import Final, NamedTuple

from tests.chaos.talk import FRAME_S, Recording

FELT_S: Final = 3.0
"""A fault is felt within so long, or not at all."""


class Verdict(NamedTuple):
    """Counts over recordings; all but `frames` are to be zero."""

    frames: int = 0
    missing: int = 0
    twice: int = 0
    out_of_order: int = 0
    concealed: int = 0
    different: int = 0
    cut_off: int = 0

    @property
    def is_clean(self) -> bool:
        return not any(self[1:])


def judge(recordings: Iterable[Recording], references: Sequence[Recording]) -> Verdict:
    """The recordings against undisturbed ones of the same speeches."""
    each = [_judge(recording, references[recording.speech]) for recording in recordings]
    return Verdict(*(sum(column) for column in zip(*each, strict=True))) if each else Verdict()


def _judge(recording: Recording, reference: Recording) -> Verdict:
    numbers = [seen.frame for seen in recording.seen]
    right = {seen.frame: seen.digest for seen in reference.seen}
    return Verdict(
        frames=len(numbers),
        missing=len(right.keys() - set(numbers)),
        twice=len(numbers) - len(set(numbers)),
        out_of_order=sum(b < a for a, b in pairwise(numbers)),
        concealed=sum(seen.concealed for seen in recording.seen),
        different=sum(not seen.concealed and right.get(seen.frame) != seen.digest for seen in recording.seen),
        cut_off=not recording.ended,
    )


def lateness_s(recording: Recording, begin_s: float, end_s: float) -> list[float]:
    """By how much the frames that arrived in the interval were behind the speech's own pace."""
    found = (seen for seen in recording.seen if begin_s <= seen.at_s < end_s)
    return [seen.at_s - recording.started_s - seen.frame * FRAME_S for seen in found]


def stall_ms(recording: Recording, at_s: float) -> float | None:
    """The longest delay that a fault added to a frame of the session; None where the session was not speaking then.

    Where no frame came at all for as long as a fault is felt, it is that of the first one that did.
    """
    first_s = next((seen.at_s for seen in recording.seen if seen.at_s >= at_s), at_s)
    before = lateness_s(recording, at_s - FELT_S, at_s) or lateness_s(recording, recording.started_s, at_s)
    after = lateness_s(recording, at_s, max(at_s + FELT_S, math.nextafter(first_s, math.inf)))
    if not before or not after:
        return None
    return max(0.0, max(after) - median(before)) * 1000


def worst_stall_ms(recordings: Iterable[Recording], at_s: float) -> float | None:
    """Of the session that felt the fault most."""
    felt = [stall for recording in recordings if (stall := stall_ms(recording, at_s)) is not None]
    return max(felt, default=None)


def drift_ms(recording: Recording) -> float:
    """By how much the frames of a speech's last seconds were later, against its sound, than those of its first."""
    begin_s, end_s = recording.seen[0].at_s, recording.seen[-1].at_s
    first, last = lateness_s(recording, begin_s, begin_s + FELT_S), lateness_s(recording, end_s - FELT_S, end_s)
    return (median(last) - median(first)) * 1000
