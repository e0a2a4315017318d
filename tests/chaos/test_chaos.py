"""A short campaign of every kind of fault against real processes; `make chaos` does a long one."""

import asyncio
import random
from typing import Any, Final

import pytest

from cli.up import STAGES
from tests.chaos.avatars import settings_of
from tests.chaos.campaign import Findings, campaign
from tests.chaos.faults import Fault
from tests.chaos.talk import Manner, speeches
from tests.chaos.world import world

FAULTS: Final = (
    Fault("kill", "audio"),
    Fault("poison", "inference"),
    Fault("kill", "inference"),
    Fault("jump", "audio"),
    Fault("kill", "gateway"),
    Fault("kill", "compositor"),
    Fault("poison", "audio"),
    Fault("freeze", "compositor"),
    Fault("jump", "gateway"),
    Fault("drain", "inference"),
    Fault("poison", "compositor"),
    Fault("kill", "redis"),
)
PATIENT: Final = {"skip_after_ms": 20_000, "frame_deadline_ms": 40_000, "flush_after_ms": 60_000}
"""No frame is given up, however slow the machine is at starting a process again, and no utterance is cut because the
client stood still: all frames are to come."""
pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def findings(tmp_path_factory: pytest.TempPathFactory) -> Findings:
    """Two live sessions, two gateways, two workers of each stage."""
    settings = settings_of("tiny", tmp_path_factory.mktemp("chaos")) | PATIENT
    return asyncio.run(_campaign(settings))


async def _campaign(settings: dict[str, Any]) -> Findings:
    workers = dict.fromkeys(STAGES, 2)
    async with world(workers, gateways=2, durable=True, **settings) as made:
        return await campaign(made, workers, FAULTS, speeches(2, 11.0), Manner("tiny"), random.Random(0))


def test_no_session_breaks_off(findings: Findings) -> None:
    assert findings.errors == []
    assert findings.verdict.cut_off == 0
    assert findings.sessions >= 4


def test_no_frame_is_missing_or_shown_twice_or_out_of_order(findings: Findings) -> None:
    verdict = findings.verdict
    assert verdict.frames == findings.sessions * 275
    assert (verdict.missing, verdict.twice, verdict.out_of_order) == (0, 0, 0)


def test_every_frame_is_that_of_an_undisturbed_run_byte_for_byte(findings: Findings) -> None:
    assert (findings.verdict.concealed, findings.verdict.different) == (0, 0)


def test_every_poison_ends_in_the_dead_letters_of_its_stage_and_nothing_else_does(findings: Findings) -> None:
    assert findings.letters == findings.letters_expected == {"audio": 3, "inference": 5, "compositor": 4}


def test_redis_keeps_nothing_once_everybody_has_left(findings: Findings) -> None:
    assert findings.left_over == []


def test_faults_were_felt_by_somebody_who_spoke(findings: Findings) -> None:
    assert [stall.fault for stall in findings.stalls] == [str(fault) for fault in FAULTS]
    felt = [stall for stall in findings.stalls if stall.stall_ms is not None]
    assert len(felt) > len(FAULTS) / 2, "on a slow machine some fall between two speeches"
