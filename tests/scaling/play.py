"""The whole scaling loop: a cluster whose autoscalers follow a load that rises and falls."""

import asyncio
import math
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

from tests.chaos.talk import Manner, Recording, Speech, speeches, talk
from tests.prometheus import Prometheus, until_scraped
from tests.scaling.autoscaler import Autoscaler, Decision
from tests.scaling.installation import OVERLAY, begin, installation
from tests.scaling.limits import limited, used_s
from tests.scaling.load import crowd
from tests.scaling.pods import Cluster, Pod
from tests.scaling.rules import duration, rules_of
from tests.unit.deploy.manifests import of_kind

STAGE: Final = "inference"
"""Whose pods are held to a share of a core, so that it is the one that the load is too much for."""
P95_BOUND_S: Final = 0.5
"""Frames of a stage that keeps up are ready within so long: the age of a task at which gateways refuse new sessions."""
SPEECH_S: Final = 5.0
P95: Final = "histogram_quantile(0.95, sum by (le) (rate(lipstream_frame_latency_seconds_bucket[{}])))"
_P95_OVER_S: Final = 20.0
_SAMPLE_S: Final = 0.5
_START_MAX_S: Final = 45.0
"""So long may pods take to become ready, on whatever machine."""
_END_MAX_S: Final = 30.0
"""So long may they take to end."""
_SERVED_MIN_S: Final = 5.0
_LAST_S: Final = 2.0
"""What the last pod's end costs its sessions is felt within so long."""
_CALM_S: Final = 90.0
_STEP_S: Final = 60.0
_BUSY_S: Final = 240.0
_AFTER_S: Final = 570.0
"""Five minutes of less before the first pod goes, a minute for each, and time to spare."""
_FEW: Final = 1
_MANY: Final = 4
SHIPPED_S: Final = _CALM_S + (_MANY - _FEW) * _STEP_S + _BUSY_S + _AFTER_S


class Scenario(NamedTuple):
    """How long each phase lasts, in seconds of this machine, and how many speak.

    Attributes
    ----------
    calm_s, step_s, busy_s : `few` speakers; one more after each step; `many`. The busy phase is longer where pods take
        long to start.
    after_s : the longest that `few` speak then: it ends when the pool is as small as in the beginning.
    speed : by how much faster than shipped the autoscalers' times run.
    pod_fps : frames a second that one pod of the stage can make of the whole crowd's; those of few speakers cost more.
    room : pods of a Deployment that the machine has room for.
    """

    speed: float
    calm_s: float
    step_s: float
    busy_s: float
    after_s: float
    few: int = _FEW
    many: int = _MANY
    pod_fps: float = 50.0
    room: int = 4


def scenario_of(minutes: float) -> Scenario:
    """The same scenario in so many minutes; in `SHIPPED_S` the autoscalers' times are those that ship."""
    speed = SHIPPED_S / (minutes * 60)
    return Scenario(speed, _CALM_S / speed, _STEP_S / speed, _BUSY_S / speed, _AFTER_S / speed)


@dataclass(slots=True)
class Course:
    """How far a scenario has come: who speaks, and when the load rose and fell, in seconds from the beginning."""

    speakers: int
    rose_s: float = math.inf
    fell_s: float = math.inf


class Moment(NamedTuple):
    """What the installation looked like, so long after the beginning."""

    at_s: float
    speaking: int
    pods: Mapping[str, int]
    ready: Mapping[str, int]
    p95_s: float | None
    age_s: float
    backlog: float


@dataclass(slots=True)
class Played:
    """What happened. Times of decisions, recordings and pods are of the monotonic clock, `began_s` on it."""

    scenario: Scenario
    course: Course
    began_s: float
    cores: float
    moments: list[Moment]
    decisions: dict[str, list[Decision]]
    recordings: list[Recording]
    reference: Recording
    ended: list[Pod]
    rules: list[Any]
    p95_s: Mapping[str, float | None]
    """Of the latency of frames, by phase."""


async def play(scenario: Scenario, settings: Mapping[str, Any], folder: Path, manner: Manner) -> Played:
    """Let a load rise and fall.

    Raises
    ------
    A group of LipstreamClientError
        A session broke off.
    """
    speech = speeches(1, SPEECH_S)[0]
    # Frames that wait would go together and cost less each: here a pod is to have one throughput.
    settings = {"task_frames": 1, **settings}
    async with installation(OVERLAY, settings, folder, scenario.speed) as (made, prometheus, url):
        rules = [rules_of(each, scenario.speed) for each in of_kind(OVERLAY, "ScaledObject")]
        scalers = {each.target: Autoscaler(made, prometheus, each, scenario.room) for each in rules}
        await begin(made, {each.target: each.minimum for each in rules} | {"gateway": 1})
        await until_scraped(prometheus, len(made.running))
        reference, cores = await _calibrated(made, url, speech, manner, scenario)
        recordings, moments, over = list[Recording](), list[Moment](), asyncio.Event()
        course, began_s = Course(scenario.few), time.monotonic()
        async with _beside(
            limited(lambda: _working(made), cores),
            _watch(made, prometheus, scenario.speed, recordings, moments),
            *(scaler.run() for scaler in scalers.values()),
            _conduct(scenario, course, scalers[STAGE], over),
        ):
            await crowd(url, speech, manner, scenario.many, over, recordings, lambda: course.speakers)
        alerts = await prometheus.rules()
        p95_s = {phase: await _p95_s(prometheus, began_s, *span) for phase, span in phases(course, moments).items()}
    decisions = {target: scaler.decisions for target, scaler in scalers.items()}
    return Played(
        scenario, course, began_s, cores, moments, decisions, recordings, reference, made.ended, alerts, p95_s
    )


@asynccontextmanager
async def _beside(*work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Work that goes on for as long as the block; what fails of it fails the block."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(each) for each in work]
        yield
        for task in tasks:
            task.cancel()


async def _conduct(scenario: Scenario, course: Course, scaler: Autoscaler, over: asyncio.Event) -> None:
    """Let the load rise, let it fall once the pool has followed, and say that it is over once that followed again."""
    began_s, stage = time.monotonic(), scaler.rules.target

    def is_ready() -> bool:
        return all(pod.available.is_set() for pod in scaler.cluster.pods(stage))

    def is_small() -> bool:
        return scaler.decisions[-1].pods == scaler.rules.minimum and not scaler.cluster.ending(stage)

    await asyncio.sleep(scenario.calm_s)
    course.rose_s = time.monotonic() - began_s
    while course.speakers < scenario.many:
        course.speakers += 1
        await asyncio.sleep(scenario.step_s)
    await asyncio.sleep(scenario.busy_s - _SERVED_MIN_S)
    await _until(is_ready, _START_MAX_S)
    await asyncio.sleep(_SERVED_MIN_S)
    course.speakers, course.fell_s = scenario.few, time.monotonic() - began_s
    await _until(is_small, scenario.after_s + _END_MAX_S)
    await asyncio.sleep(_LAST_S)
    # A machine that stands still makes the pool grow once more.
    await _until(is_small, scenario.after_s + _END_MAX_S)
    over.set()


async def _until(happened: Callable[[], bool], within_s: float) -> None:
    """Wait for it, but no longer than that."""
    for _ in range(math.ceil(within_s / _SAMPLE_S)):
        if happened():
            return
        await asyncio.sleep(_SAMPLE_S)


def _working(made: Cluster) -> list[Pod]:
    return [pod for pod in made.running if pod.of == STAGE and pod.available.is_set()]


def phases(course: Course, moments: Sequence[Moment]) -> dict[str, tuple[float, float]]:
    """From when to when each lasts: `served` is that part of the busy one in which the peak's pods are ready."""
    peak = max(moment.pods[STAGE] for moment in moments)
    served_s = next((moment.at_s for moment in moments if moment.ready[STAGE] == peak), course.fell_s)
    spans = {
        "calm": (0.0, course.rose_s),
        "rising": (course.rose_s, served_s),
        "served": (served_s, course.fell_s),
        "after": (course.fell_s, moments[-1].at_s),
    }
    return {name: span for name, span in spans.items() if span[0] < span[1]}


async def _p95_s(prometheus: Prometheus, began_s: float, begin_s: float, end_s: float) -> float | None:
    ago_s = time.monotonic() - began_s - end_s
    return await prometheus.value(P95.format(duration(end_s - begin_s)), time.time() - ago_s)


async def _calibrated(
    made: Cluster, url: str, speech: Speech, manner: Manner, scenario: Scenario
) -> tuple[Recording, float]:
    """The speech undisturbed, and the cores that a pod needs for so many frames a second of the whole crowd's."""
    found = list[Recording]()
    await talk([url], 0, speech, manner._replace(pace="lossless"), found)
    before_s = sum(map(used_s, _working(made)))
    await asyncio.gather(*(talk([url], 0, speech, manner, found) for _ in range(scenario.many)))
    frame_s = (sum(map(used_s, _working(made))) - before_s) / (speech.frames * scenario.many)
    return found[0], frame_s * scenario.pod_fps


async def _watch(
    made: Cluster, prometheus: Prometheus, speed: float, recordings: Sequence[Recording], moments: list[Moment]
) -> None:
    """One moment after another."""
    began_s = time.monotonic()
    signals = {each.name: each.query for each in rules_of(_scaled(STAGE), speed).triggers}
    while True:
        names = made.deployments
        moments.append(
            Moment(
                at_s=time.monotonic() - began_s,
                speaking=sum(not recording.ended for recording in recordings),
                pods={name: len(made.pods(name)) for name in names},
                ready={name: sum(pod.ready for pod in made.pods(name)) for name in names},
                p95_s=await prometheus.value(P95.format(duration(_P95_OVER_S / speed))),
                age_s=await prometheus.value(signals["age"]) or 0.0,
                backlog=await prometheus.value(signals["backlog"]) or 0.0,
            )
        )
        await asyncio.sleep(_SAMPLE_S)


def _scaled(target: str) -> Any:
    (found,) = (e for e in of_kind(OVERLAY, "ScaledObject") if e["spec"]["scaleTargetRef"]["name"] == target)
    return found
