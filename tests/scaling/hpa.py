"""How many pods: the arithmetic of Kubernetes' HorizontalPodAutoscaler, and of KEDA where there are none; pure.

From `pkg/controller/podautoscaler` of Kubernetes 1.31 (`replica_calculator.go`, `horizontal.go`) and
`pkg/scaling/executor/scale_scaledobjects.go` of KEDA 2.17.
"""

import math
from collections.abc import Sequence
from typing import Final, NamedTuple

from tests.scaling.rules import Policy, Rules, Trigger

TOLERANCE: Final = 0.1
"""A number so close to its target changes nothing (`--horizontal-pod-autoscaler-tolerance`)."""


class Seen(NamedTuple):
    """What one look found; a number is None where Prometheus has none."""

    at_s: float
    pods: int
    ready: int
    numbers: tuple[float | None, ...]


class Past(NamedTuple):
    """What an autoscaler remembers.

    Attributes
    ----------
    wanted : when it would have had how many pods, had it gone by the numbers alone.
    changes : when it changed the number of pods by how many.
    active_s : when a number was last beyond its activation threshold.
    """

    wanted: tuple[tuple[float, int], ...] = ()
    changes: tuple[tuple[float, int], ...] = ()
    active_s: float = -math.inf


def decide(rules: Rules, past: Past, seen: Seen) -> tuple[int, Past]:
    """How many pods there shall be now."""
    active = any(n is not None and n > t.activation for t, n in zip(rules.triggers, seen.numbers, strict=True))
    past = past._replace(active_s=seen.at_s if active else past.active_s)
    if seen.pods == 0:
        # KEDA wakes the pool; what follows is the HPA's business.
        return _changed(rules, past, seen, max(1, rules.minimum) if active else 0)
    if rules.minimum == 0 and seen.at_s - past.active_s >= rules.cooldown_s:
        return _changed(rules, past, seen, 0)
    wanted = by_numbers(rules.triggers, seen)
    if wanted is None:
        return seen.pods, past
    past = past._replace(wanted=(*past.wanted, (seen.at_s, wanted)))
    return _changed(rules, past, seen, _permitted(rules, past, seen, _stabilised(rules, past, seen)))


def by_numbers(triggers: Sequence[Trigger], seen: Seen) -> int | None:
    """What the numbers ask for, the largest of them; None while one is missing and the others ask for no more pods."""
    asked = [_asked(trigger, n, seen) for trigger, n in zip(triggers, seen.numbers, strict=True) if n is not None]
    if len(asked) < len(triggers) and max(asked, default=0) <= seen.pods:
        return None
    return max(asked)


def _asked(trigger: Trigger, number: float, seen: Seen) -> int:
    pods = seen.pods if trigger.per_pod else 1
    share = number / (trigger.threshold * pods)
    if abs(share - 1) <= TOLERANCE:
        return seen.pods
    return math.ceil(number / trigger.threshold if trigger.per_pod else share * seen.ready)


def _stabilised(rules: Rules, past: Past, seen: Seen) -> int:
    """Up to the least, down to the most that was wanted within the window of that direction."""
    up = min(n for at_s, n in past.wanted if seen.at_s - at_s <= rules.up_window_s)
    down = max(n for at_s, n in past.wanted if seen.at_s - at_s <= rules.down_window_s)
    return min(max(seen.pods, up), down)


def _permitted(rules: Rules, past: Past, seen: Seen, wanted: int) -> int:
    """Not further than the policies and the bounds let."""
    floor = max(1, rules.minimum)
    if wanted > seen.pods:
        most = max(_limit(policy, past, seen, +1) for policy in rules.up)
        return max(floor, min(wanted, max(most, seen.pods), rules.maximum))
    least = min(_limit(policy, past, seen, -1) for policy in rules.down)
    return min(rules.maximum, max(wanted, min(least, seen.pods), floor))


def _limit(policy: Policy, past: Past, seen: Seen, direction: int) -> int:
    """How many pods a policy lets there be, counted from the beginning of its period."""
    began = seen.pods - sum(by for at_s, by in past.changes if seen.at_s - at_s < policy.period_s)
    if not policy.percent:
        return began + direction * policy.value
    limit = began * (1 + direction * policy.value / 100)
    return math.ceil(limit) if direction > 0 else math.floor(limit)


def _changed(rules: Rules, past: Past, seen: Seen, pods: int) -> tuple[int, Past]:
    """The decision, and what is worth remembering of the past."""
    longest_s = max(rules.up_window_s, rules.down_window_s, *(policy.period_s for policy in (*rules.up, *rules.down)))
    changes = (*past.changes, (seen.at_s, pods - seen.pods)) if pods != seen.pods else past.changes
    return pods, past._replace(
        wanted=tuple(each for each in past.wanted if seen.at_s - each[0] <= longest_s),
        changes=tuple(each for each in changes if seen.at_s - each[0] <= longest_s),
    )
