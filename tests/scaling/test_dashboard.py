"""The dashboard's queries and the alert rules, asked of a real Prometheus that scrapes a pipeline with its troubles."""

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest

from common.redis_client import close
from common.redis_client import connect as connect_redis
from lipstream_client import LipstreamClientError, connect
from tests.chaos.avatars import settings_of
from tests.chaos.faults import put_poison
from tests.chaos.talk import Manner, Recording, Speech, speeches
from tests.prometheus import Prometheus, program, started, until_scraped
from tests.scaling import dashboard
from tests.scaling.dashboard import Asked
from tests.scaling.installation import OVERLAY, begin, installation
from tests.scaling.load import crowd
from tests.scaling.pods import Cluster, Pod
from tests.unit.deploy.manifests import named
from tests.unit.deploy.promised import spoken_of

SPEED: Final = 5.0
SPEAKERS: Final = 2
ELSEWHERE: Final = {"LipstreamPoolAtMaximum": "kube-state-metrics counts the pods of a cluster"}
"""Alerts whose numbers are not ours, and whose they are."""
FIRING: Final = {"LipstreamTasksGivenUp"}
"""What the poison fires; the others ask for minutes of trouble (`promtool` gives them those in `test_alerts.py`)."""
MANNER: Final = Manner("tiny")
pytestmark = pytest.mark.timeout(900)


class Shown(NamedTuple):
    """The largest number that each query gave, None without any; how alerts stand; what there is of their series."""

    largest: dict[Asked, float | None]
    alerts: list[Any]
    series: dict[str, float]


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Shown:
    """Two live sessions, one pod of everything and two gateways; what can go wrong does."""
    program("prometheus")
    settings = settings_of("tiny", tmp_path_factory.mktemp("avatars")) | {"max_sessions": 2 * SPEAKERS}
    return asyncio.run(_shown(settings, tmp_path_factory.mktemp("installation"), tmp_path_factory.mktemp("dashboard")))


async def _shown(settings: Mapping[str, Any], folder: Path, beside: Path) -> Shown:
    speech = speeches(1, 6.0)[0]
    async with installation(OVERLAY, settings, folder, SPEED) as (made, operators, url):
        await begin(made, dict.fromkeys(made.deployments, 1) | {"gateway": 2})
        with started(beside, dashboard.configuration(made, SPEED)) as prometheus:
            await until_scraped(prometheus, len(made.running))
            await until_scraped(operators, len(made.running))
            began_s, over, heard = time.time(), asyncio.Event(), list[Recording]()
            await _be_refused(made, settings["max_sessions"])
            talking = asyncio.create_task(crowd(url, speech, MANNER, SPEAKERS, over, heard))
            while len(heard) < SPEAKERS and not talking.done():  # noqa: ASYNC110
                await asyncio.sleep(0.02)
            await asyncio.sleep(2)
            await _trouble(made, speech, heard)
            over.set()
            await talking
            alerts = await _settled(operators)
            largest = await _seen(prometheus, began_s)
            names = {name for alert in alerts for name in spoken_of(alert["query"])}
            series = {name: await operators.value(f'count({name}{{namespace="lipstream"}})') or 0.0 for name in names}
    return Shown(largest, alerts, series)


async def _trouble(made: Cluster, speech: Speech, heard: list[Recording]) -> None:
    """What the panels of faults are for."""
    staying, leaving = made.pods("gateway")
    await _change_ones_mind(made, _url(staying), speech)
    await _put_poison(made, heard[-1].session)
    async with _frozen(made.pods("compositor")[0]):
        # Beyond a live frame's deadline, and for a second more.
        await asyncio.sleep(3.5)
    await asyncio.sleep(2)
    await made.end(leaving)
    await asyncio.sleep(2)


def _url(gateway: Pod) -> str:
    return f"ws://127.0.0.1:{gateway.ports['http']}/ws"


async def _be_refused(made: Cluster, sessions_max: int) -> None:
    """Open sessions until the gateway is full, and knock once more: a series grows from its second error on."""
    url = _url(made.pods("gateway")[0])

    async def fill(stack: contextlib.AsyncExitStack) -> None:
        for _ in range(sessions_max + 1):
            await stack.enter_async_context(connect(url, avatar=MANNER.avatar, sample_rate=16_000))

    async with contextlib.AsyncExitStack() as stack:
        for _ in range(2):
            with pytest.raises(LipstreamClientError) as refused:
                await fill(stack)
            assert refused.value.code == "at_capacity"
            await asyncio.sleep(2 * dashboard.scrape_s(SPEED))


async def _change_ones_mind(made: Cluster, url: str, speech: Speech) -> None:
    """Say much at once, and take it back while it waits for a worker."""
    async with connect(url, avatar=MANNER.avatar, sample_rate=speech.rate_hz, pace="lossless") as session:
        async with _frozen(made.pods("inference")[0]):
            await session.send_audio(speech.pcm[: 2 * speech.rate_hz])
            await asyncio.sleep(0.5)
            await session.clear()
        await asyncio.sleep(2)


async def _put_poison(made: Cluster, session: str) -> None:
    redis = connect_redis(made.settings["redis_url"])
    try:
        await put_poison(redis, "inference", session, MANNER.avatar)
    finally:
        await close(redis)
    await asyncio.sleep(2)


@contextlib.asynccontextmanager
async def _frozen(pod: Pod) -> AsyncIterator[None]:
    os.kill(pod.process.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pod.process.pid, signal.SIGCONT)


async def _seen(prometheus: Prometheus, began_s: float) -> dict[Asked, float | None]:
    """The largest number that each query gave, once what happened last is scraped."""
    for _ in range(20):
        largest = {
            asked: max(await prometheus.numbers(asked.query, began_s, time.time()), default=None)
            for asked in dashboard.queries(dashboard.scrape_s(SPEED))
        }
        if all(largest.values()):
            break
        await asyncio.sleep(dashboard.scrape_s(SPEED))
    return largest


async def _settled(prometheus: Prometheus) -> list[Any]:
    """The alerts, once what is to fire does."""
    for _ in range(300):
        alerts = await prometheus.rules()
        if {alert["name"] for alert in alerts if alert["state"] == "firing"} >= FIRING:
            break
        await asyncio.sleep(0.2)
    return alerts


def test_every_query_of_every_panel_has_data(shown: Shown) -> None:
    assert [asked for asked, largest in shown.largest.items() if largest is None] == []


def test_every_panel_of_a_fault_shows_the_fault(shown: Shown) -> None:
    assert [asked for asked, largest in shown.largest.items() if largest == 0] == []


def test_every_alert_is_evaluated_without_an_error(shown: Shown) -> None:
    shipped = named(OVERLAY, "PrometheusRule", "lipstream")["spec"]["groups"][0]["rules"]
    assert [alert["name"] for alert in shown.alerts] == [alert["alert"] for alert in shipped]
    assert {alert["health"] for alert in shown.alerts} == {"ok"}, shown.alerts


def test_every_series_that_an_alert_looks_at_is_scraped(shown: Shown) -> None:
    assert {name for name, count in shown.series.items() if not count} == set()
    without = {alert["name"] for alert in shown.alerts if not spoken_of(alert["query"]) and "up{" not in alert["query"]}
    assert without == ELSEWHERE.keys()


def test_what_happened_fires_its_alert_and_no_other(shown: Shown) -> None:
    assert {alert["name"] for alert in shown.alerts if alert["state"] == "firing"} == FIRING
