"""Every Deployment is restarted under live sessions: what do their clients see of it?"""

import asyncio
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest

from tests.chaos.avatars import settings_of
from tests.chaos.talk import Manner, Recording, speeches, talk
from tests.chaos.verdict import judge
from tests.prometheus import Prometheus, program, until_scraped
from tests.scaling.installation import OVERLAY, begin, installation
from tests.scaling.load import crowd
from tests.scaling.pods import Cluster, Pod
from tests.scaling.rollout import roll
from tests.unit.deploy.manifests import pod_of

SPEED: Final = 3.0
PODS: Final = 2
"""Of each Deployment: the floor of production."""
SPEAKERS: Final = 2
SPEECH_S: Final = 8.0
MANNER: Final = Manner("tiny")
PATIENT: Final = {"skip_after_ms": 20_000, "frame_deadline_ms": 40_000, "flush_after_ms": 60_000}
"""No frame is given up and no utterance cut because the machine stands still for a moment: all frames are to come."""
pytestmark = pytest.mark.timeout(900)


class Rolled(NamedTuple):
    """What became of the sessions and of the pods."""

    reference: Recording
    recordings: list[Recording]
    before: list[Pod]
    ended: list[Pod]
    resumed: float
    fewest: dict[str, int]


@pytest.fixture(scope="module")
def rolled(tmp_path_factory: pytest.TempPathFactory) -> Rolled:
    """Two live sessions at a time, two pods of everything, each Deployment rolled once."""
    program("prometheus")
    settings = settings_of("tiny", tmp_path_factory.mktemp("avatars")) | PATIENT
    return asyncio.run(_rolled(settings, tmp_path_factory.mktemp("rollout")))


async def _rolled(settings: dict[str, Any], folder: Path) -> Rolled:
    speech = speeches(1, SPEECH_S)[0]
    async with installation(OVERLAY, settings, folder, SPEED) as (made, prometheus, url):
        await begin(made, dict.fromkeys(made.deployments, PODS))
        before, undisturbed, heard = list(made.running), list[Recording](), list[Recording]()
        await talk([url], 0, speech, MANNER._replace(pace="lossless"), undisturbed)
        over = asyncio.Event()
        talking = asyncio.create_task(crowd(url, speech, MANNER, SPEAKERS, over, heard))
        fewest = dict.fromkeys(made.deployments, PODS)
        counting = asyncio.create_task(_count(made, fewest))
        while len(heard) < SPEAKERS and not talking.done():  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        await asyncio.sleep(1)
        for deployment in made.deployments:
            await roll(made, deployment)
        over.set()
        await talking
        counting.cancel()
        resumed = await _resumed(made, prometheus)
        return Rolled(undisturbed[0], heard, before, list(made.ended), resumed, fewest)


async def _count(made: Cluster, fewest: dict[str, int]) -> None:
    """Note the smallest number of ready pods of each Deployment."""
    while True:
        for name in fewest:
            fewest[name] = min(fewest[name], sum(pod.ready for pod in made.running if pod.of == name))
        await asyncio.sleep(0.02)


async def _resumed(made: Cluster, prometheus: Prometheus) -> float:
    """Sessions that were resumed, at the gateways that run now."""
    await until_scraped(prometheus, len(made.running))
    return await prometheus.value("sum(lipstream_sessions_resumed_total)") or 0.0


def test_every_pod_was_replaced(rolled: Rolled) -> None:
    assert {pod.name for pod in rolled.ended} == {pod.name for pod in rolled.before}
    assert len(rolled.ended) == len(rolled.fewest) * PODS


def test_no_deployment_ever_had_fewer_ready_pods_than_it_should(rolled: Rolled) -> None:
    assert set(rolled.fewest.values()) == {PODS}


def test_every_pod_left_by_itself_within_its_grace(rolled: Rolled) -> None:
    for pod in rolled.ended:
        assert (pod.overran, pod.exit_code) == (False, 0), pod.log.read_text()[-2000:]
        assert pod.took_s < pod_of(pod.deployment)["terminationGracePeriodSeconds"]


def test_sessions_went_on_at_another_gateway(rolled: Rolled) -> None:
    assert rolled.resumed >= 1


def test_no_frame_is_missing_or_shown_twice_or_out_of_order(rolled: Rolled) -> None:
    verdict = judge(rolled.recordings, [rolled.reference])
    assert len(rolled.recordings) >= 2 * SPEAKERS
    assert verdict.frames == len(rolled.recordings) * SPEECH_S * 25
    assert (verdict.missing, verdict.twice, verdict.out_of_order, verdict.cut_off) == (0, 0, 0, 0)


def test_every_frame_is_that_of_an_undisturbed_run_byte_for_byte(rolled: Rolled) -> None:
    verdict = judge(rolled.recordings, [rolled.reference])
    assert (verdict.concealed, verdict.different) == (0, 0)
