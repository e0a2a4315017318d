"""The scaling loop: real workers come and go with a load, by the numbers of the ScaledObjects that ship."""

import asyncio
import sys
from itertools import pairwise
from typing import Final

import pytest

from tests.chaos.avatars import settings_of
from tests.chaos.talk import Manner
from tests.prometheus import program
from tests.scaling.installation import OVERLAY
from tests.scaling.play import STAGE, Played, play, scenario_of
from tests.scaling.rules import rules_of
from tests.scaling.summary import Summary, summary_of
from tests.unit.deploy.manifests import named, pod_of

SCENARIO: Final = scenario_of(minutes=0.9)._replace(pod_fps=40.0)
"""Pods so small that two are too few for the crowd: it needs 100 frames a second."""
PATIENT: Final = {"skip_after_ms": 5_000, "frame_deadline_ms": 10_000, "flush_after_ms": 60_000}
"""No frame is given up, and no utterance cut, because the machine stands still for a moment. How late frames are is not
tested: `python -m tests.scaling` asks for `P95_BOUND_S`, and the settings that ship."""
pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Played:
    """About a minute, in which the load rises fourfold and falls again."""
    program("prometheus")
    if sys.platform != "linux":
        pytest.skip("only Linux tells another process's processor time finely enough to limit it")
    settings = settings_of("tiny", tmp_path_factory.mktemp("avatars")) | PATIENT
    return asyncio.run(play(SCENARIO, settings, tmp_path_factory.mktemp("scaling"), Manner("tiny")))


@pytest.fixture(scope="module")
def summary(played: Played) -> Summary:
    return summary_of(played)


def test_pods_come_with_the_load_and_go_after_it(summary: Summary, played: Played) -> None:
    course = played.course
    busy = [moment.pods[STAGE] for moment in played.moments if course.rose_s < moment.at_s < course.fell_s]
    assert max(busy) > summary.floor
    assert summary.falls_s[-1] > course.fell_s
    assert summary.last == summary.floor


def test_the_floor_is_kept(summary: Summary, played: Played) -> None:
    assert summary.floor == named(OVERLAY, "ScaledObject", STAGE)["spec"]["minReplicaCount"] == 2
    assert min(moment.ready[STAGE] for moment in played.moments) == 2


def test_pods_go_one_at_a_time_and_no_sooner_than_the_rules_say(played: Played) -> None:
    rules = rules_of(named(OVERLAY, "ScaledObject", STAGE), SCENARIO.speed)
    falls = [decision for decision in played.decisions[STAGE] if decision.pods < decision.seen.pods]
    assert {fall.seen.pods - fall.pods for fall in falls} == {1}
    times_s = [fall.seen.at_s for fall in falls]
    assert all(b - a >= rules.down[0].period_s for a, b in pairwise(times_s))


def test_every_pod_left_by_itself_within_its_grace(summary: Summary, played: Played) -> None:
    assert summary.removed == len(played.ended) >= 1
    assert summary.unclean == 0
    for pod in played.ended:
        assert pod.took_s < pod_of(pod.deployment)["terminationGracePeriodSeconds"]


def test_no_frame_is_lost_or_concealed_when_pods_go(summary: Summary) -> None:
    verdict = summary.verdict
    assert (verdict.missing, verdict.twice, verdict.out_of_order, verdict.different, verdict.cut_off) == (0, 0, 0, 0, 0)
    assert summary.concealed_after_removal == 0
