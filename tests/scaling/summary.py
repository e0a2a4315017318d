"""What a played scaling loop shows, in a few numbers; pure."""

from collections.abc import Mapping
from typing import Final, NamedTuple

from tests.chaos.verdict import Verdict, judge
from tests.scaling.play import P95_BOUND_S, STAGE, Played

_FELT_S: Final = 2.0
"""What the end of a pod costs is felt within so long."""


class Summary(NamedTuple):
    """Of the pods of the stage that the load is too much for, unless said otherwise.

    Attributes
    ----------
    floor, peak, last : the fewest, the most, and those at the end.
    rises_s, falls_s : when the autoscaler started and ended pods, in seconds from the beginning.
    removed : pods that were told to end, of all stages; `unclean` of them were killed or ended with an error.
    concealed_after_removal : frames that were concealed within two seconds of such an end.
    p95_s : of the latency of frames by phase, as Prometheus has it; see `play.phases`.
    """

    floor: int
    peak: int
    last: int
    rises_s: list[float]
    falls_s: list[float]
    removed: int
    unclean: int
    concealed_after_removal: int
    p95_s: Mapping[str, float | None]
    verdict: Verdict

    @property
    def is_clean(self) -> bool:
        """Whether the pool followed the load, and no client has felt that it did."""
        verdict = self.verdict
        lost = verdict.missing + verdict.twice + verdict.out_of_order + verdict.different + verdict.cut_off
        heard = {"served", "after"} <= self.p95_s.keys()
        in_bound = heard and all(p95_s is not None and p95_s < P95_BOUND_S for p95_s in self.p95_s.values())
        follows = self.peak > self.floor == self.last
        return follows and in_bound and not (lost or self.unclean or self.concealed_after_removal)


def summary_of(played: Played) -> Summary:
    """The numbers."""
    decisions = played.decisions[STAGE]
    counts = [decision.pods for decision in decisions]
    removals_s = [pod.ending_s - played.began_s for pod in played.ended if pod.ending_s is not None]
    return Summary(
        floor=min(counts),
        peak=max(counts),
        last=counts[-1],
        rises_s=[d.seen.at_s - played.began_s for d in decisions if d.pods > d.seen.pods],
        falls_s=[d.seen.at_s - played.began_s for d in decisions if d.pods < d.seen.pods],
        removed=len(played.ended),
        unclean=sum(pod.overran or pod.exit_code != 0 for pod in played.ended if pod.available.is_set()),
        concealed_after_removal=sum(_concealed(played, at_s) for at_s in removals_s),
        p95_s=played.p95_s,
        verdict=judge(played.recordings, [played.reference]),
    )


def _concealed(played: Played, at_s: float) -> int:
    """Frames that arrived concealed in the two seconds after a moment, of all sessions."""
    begin_s = played.began_s + at_s
    frames = (seen for recording in played.recordings for seen in recording.seen)
    return sum(seen.concealed and begin_s <= seen.at_s < begin_s + _FELT_S for seen in frames)
