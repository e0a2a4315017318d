"""Plans are fair and repeatable."""

import random
from collections import Counter

import pytest

from cli.up import STAGES
from tests.chaos.faults import KINDS, PARTS, POISONS, POSSIBLE, Fault, letters_of, plan


def test_the_same_seed_gives_the_same_faults() -> None:
    first, second, other = (plan(random.Random(seed), KINDS, STAGES, 40) for seed in (1, 1, 2))
    assert first == second != other


def test_every_kind_comes_to_every_part_as_often_give_or_take_one() -> None:
    times = Counter(plan(random.Random(0), KINDS, STAGES, 50))
    assert len(times) == len(KINDS) * len(STAGES)
    assert max(times.values()) - min(times.values()) <= 1


def test_only_poison_leaves_dead_letters_one_for_each_of_its_sorts() -> None:
    faults = [Fault("kill", "audio"), Fault("poison", "audio"), Fault("poison", "audio"), Fault("freeze", "inference")]
    assert letters_of(faults) == {"audio": 2 * len(POISONS["audio"])}


def test_nothing_is_planned_that_must_cost_frames() -> None:
    faults = plan(random.Random(0), KINDS, PARTS, 100)
    assert {fault for fault in faults if fault.kind not in POSSIBLE[fault.part]} == set()
    assert {fault.kind for fault in faults if fault.part == "gateway"} == {"kill", "drain", "jump"}


def test_what_can_be_done_to_nobody_is_refused() -> None:
    with pytest.raises(ValueError, match="none of freeze can be done to redis"):
        plan(random.Random(0), ["freeze"], ["redis"], 3)
