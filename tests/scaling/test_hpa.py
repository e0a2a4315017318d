"""The arithmetic of the test autoscaler, against what Kubernetes and KEDA document of theirs."""

from typing import Final

import pytest

from tests.scaling.hpa import Past, Seen, by_numbers, decide
from tests.scaling.rules import Policy, Rules, Trigger, quickened, rules_of
from tests.unit.deploy.manifests import named

BACKLOG: Final = Trigger("backlog", "b", threshold=2.0, activation=0.0, per_pod=True)
AGE: Final = Trigger("age", "a", threshold=0.2, activation=0.1, per_pod=False)
RULES: Final = Rules(
    target="inference", minimum=2, maximum=40, triggers=(BACKLOG, AGE), sync_s=15, polling_s=5, cooldown_s=600,
    up_window_s=0, down_window_s=300, up=(Policy(True, 100, 15), Policy(False, 2, 15)), down=(Policy(False, 1, 60),),
)  # fmt: skip


def seen(pods: int, backlog: float | None, age_s: float | None, at_s: float = 0.0) -> Seen:
    return Seen(at_s, pods, pods, (backlog, age_s))


def played(rules: Rules, pods: int, *looks: tuple[float, float, float]) -> list[int]:
    """The pods after each look of (time, backlog, age)."""
    past, counts = Past(), []
    for at_s, backlog, age_s in looks:
        pods, past = decide(rules, past, seen(pods, backlog, age_s, at_s))
        counts.append(pods)
    return counts


@pytest.mark.parametrize(
    ("backlog", "age_s", "wanted"),
    [
        (4.0, 0.01, 2),  # two a pod
        (4.39, 0.01, 2),  # within a tenth
        (4.5, 0.01, 3),
        (12.0, 0.01, 6),
        (1.0, 0.01, 1),
        (1.0, 0.21, 2),  # within a tenth, of the age
        (1.0, 0.3, 3),  # half as old again: half as many again
        (12.0, 0.3, 6),  # the larger one counts
        (0.0, 2.0, 20),
    ],
)
def test_backlog_is_shared_out_and_age_multiplies(backlog: float, age_s: float, wanted: int) -> None:
    assert by_numbers((BACKLOG, AGE), seen(2, backlog, age_s)) == wanted


def test_age_multiplies_the_pods_that_are_ready() -> None:
    assert by_numbers((AGE,), Seen(0, pods=6, ready=2, numbers=(0.4,))) == 4


def test_a_pool_doubles_or_grows_by_two_at_most_in_a_period() -> None:
    assert played(RULES, 2, (0, 100, 0), (15, 100, 0), (20, 100, 0), (30, 100, 0)) == [4, 8, 8, 16]


def test_a_pool_has_no_more_pods_than_its_maximum() -> None:
    assert played(RULES._replace(maximum=5), 4, (0, 100, 0)) == [5]


def test_a_pool_shrinks_by_one_pod_a_minute_after_five_minutes_of_less() -> None:
    looks = [(at_s, 20.0 if at_s == 0 else 0.0, 0.0) for at_s in range(0, 496, 15)]
    counts = played(RULES, 10, *looks)
    assert counts[:21] == [10] * 21, "as many as were wanted at any time in the window"
    assert counts[21:] == [9, 9, 9, 9, 8, 8, 8, 8, 7, 7, 7, 7, 6]


def test_a_pool_never_shrinks_below_its_floor() -> None:
    assert played(RULES._replace(down_window_s=0), 3, *((60.0 * k, 0.0, 0.0) for k in range(4))) == [2, 2, 2, 2]


@pytest.mark.parametrize(
    ("backlog", "age_s", "pods"), [(None, None, 4), (0.0, None, 4), (None, 0.0, 4), (20.0, None, 8)]
)
def test_without_a_number_a_pool_may_grow_and_not_shrink(backlog: float | None, age_s: float | None, pods: int) -> None:
    assert decide(RULES._replace(down_window_s=0), Past(), seen(4, backlog, age_s))[0] == pods


def test_a_pool_of_none_wakes_to_one_pod_and_sleeps_again_after_the_cooldown() -> None:
    pool = RULES._replace(minimum=0, down_window_s=0)
    looks = [(0.0, 0.0, 0.05), (5.0, 0.0, 0.15), (20.0, 9.0, 0.3), *((80.0 + 60 * k, 0.0, 0.0) for k in range(10))]
    assert played(pool, 0, *looks) == [0, 1, 3, 2, 1, 1, 1, 1, 1, 1, 1, 1, 0]


def test_the_rules_are_those_that_ship_and_only_faster() -> None:
    shipped = rules_of(named("prod-cpu", "ScaledObject", "inference"), 1.0)
    fast = rules_of(named("prod-cpu", "ScaledObject", "inference"), 20.0)
    assert shipped[:3] == fast[:3] == ("inference", 2, 40)
    assert [(t.name, t.threshold, t.per_pod) for t in shipped.triggers] == [("backlog", 0.7, True), ("age", 0.2, False)]
    assert (shipped.sync_s, shipped.polling_s, shipped.cooldown_s, shipped.down_window_s) == (15, 5, 600, 300)
    assert (fast.sync_s, fast.polling_s, fast.cooldown_s, fast.down_window_s) == (0.75, 0.25, 30, 15)
    assert shipped.up == RULES.up
    assert fast.down == (Policy(False, 1, 3),)
    assert "[750ms]" in fast.triggers[0].query


def test_a_query_is_averaged_over_a_shorter_range_and_else_unchanged() -> None:
    assert quickened("max(avg_over_time(x{y='[z]'}[15s])) - 32", 10) == "max(avg_over_time(x{y='[z]'}[1500ms])) - 32"
