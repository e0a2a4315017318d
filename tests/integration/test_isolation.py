"""No byte of one session reaches another: whoever speaks beside it, each gets what the renderer makes of its own."""

import asyncio
import json
import random
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from websockets.asyncio.client import connect as open_socket

from common.avatars.package import Avatar, load
from common.contracts import OFFERED_QUALITIES, Task
from common.frames import FrameHeader
from common.jobs import Job
from common.media import BYTES_PER_SAMPLE
from common.resample import StreamResampler
from common.settings import Settings
from gateway.template import template_jpeg
from lipstream_client import connect
from lipstream_client.events import Segment
from lipstream_client.frames import Frame
from lipstream_client.session import Session
from tests.avatar_package import write_package
from tests.pipeline import Pipeline, running
from workers.audio.stage import AudioStage, samples_of_task
from workers.compositor.pictures import Pictures
from workers.compositor.stage import Compositor
from workers.inference.cache import RowCache
from workers.inference.stage import Inference, LoadedAvatar, load_avatar
from workers.offline.render import tasks_of

NAMES = ("tiny", "twin")
RATES_HZ = (8_000, 16_000, 22_050, 24_000, 44_100, 48_000)
SESSIONS = 26
VANISHING = 6


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two avatars of one pool: tensors, picture and frame rate are alike, weights and template are not."""
    folder = tmp_path_factory.mktemp("twins")
    write_package(folder, "tiny")
    write_package(folder, "twin", seed=9, frames=7, loop="cycle", start=2)
    return folder


# what each must get


class Scene(NamedTuple):
    """What a session's pictures depend on beside its audio."""

    avatar: str
    output: Literal["frame", "patch"]
    quality: int


@cache
def avatar_of(folder: Path, name: str) -> Avatar:
    return load(folder, name)


@cache
def painter_of(folder: Path, name: str) -> LoadedAvatar:
    return load_avatar(avatar_of(folder, name), "cpu", 1)


@cache
def pictures_of(folder: Path, name: str, quality: int) -> Pictures:
    return Pictures(avatar_of(folder, name), quality)


def columns_of(avatar: Avatar, task: Task, pcm: bytes) -> bytes:
    """What the audio stage makes of a task; `pcm` is its whole segment at 16 kHz."""
    span = samples_of_task(avatar.manifest, task)
    piece = pcm[span.start * BYTES_PER_SAMPLE : span.stop * BYTES_PER_SAMPLE]
    [[columns]] = AudioStage({avatar.name: avatar.manifest}).process([Job(task, piece)])
    return columns


def alone(folder: Path, scene: Scene, pcm: bytes, template: int) -> list[bytes]:
    """The pictures of one segment from stages that have never seen anything else; `pcm` is at 16 kHz."""
    avatar = avatar_of(folder, scene.avatar)
    inference = Inference({avatar.name: painter_of(folder, scene.avatar)})
    compositor = Compositor([pictures_of(folder, scene.avatar, scene.quality)])
    made = []
    for offline in tasks_of(avatar.manifest, pcm, Settings(avatars=NAMES)):
        changes = {"output": scene.output, "quality": scene.quality, "template": offline.template + template}
        task = offline.model_copy(update=changes)
        [[patches]] = inference.process([Job(task, columns_of(avatar, task, pcm))])
        made += compositor.process([Job(task, patches)])[0]
    return [FrameHeader.unpack(message)[1] for message in made]


def noise(seed: int, samples: int) -> bytes:
    """Noise with a slow envelope; another seed, other audio."""
    rng = np.random.default_rng(seed)
    envelope = 0.5 + 0.5 * np.sin(np.arange(samples) / rng.uniform(500, 5_000))
    return (rng.normal(size=samples) * envelope * 8_000).clip(-32_768, 32_767).astype("<i2").tobytes()


# many sessions at once


class Utterance(NamedTuple):
    """What is said for one picture of a face, and what follows it: its end, or a barge-in after a while."""

    avatar: str
    pcm: bytes
    is_cut: bool
    cut_after_s: float


class Plan(NamedTuple):
    """What one client does."""

    rate_hz: int
    output: Literal["frame", "patch"]
    quality: int
    chunk_bytes: int
    pause_s: float
    utterances: tuple[Utterance, ...]


def plan_of(seed: int) -> Plan:
    rng = random.Random(seed)
    rate_hz = rng.choice(RATES_HZ)
    utterances = []
    for number in range(rng.randrange(1, 4)):
        pcm = noise(100 * seed + number, round(rate_hz * rng.uniform(0.3, 1.2)))
        is_cut = rng.random() < 0.4
        utterances.append(Utterance(rng.choice(NAMES), pcm, is_cut, rng.uniform(0, 0.3)))
    chunk_bytes = 2 * max(1, rate_hz * rng.choice([5, 20, 40, 97, 1_000]) // 1000)
    pause_s = rng.choice([0.0, 0.0, 0.005])
    return Plan(
        rate_hz, rng.choice(["frame", "patch"]), rng.choice(OFFERED_QUALITIES), chunk_bytes, pause_s, tuple(utterances)
    )


async def say(session: Session, plan: Plan) -> None:
    avatar = session.avatar
    for utterance in plan.utterances:
        if utterance.avatar != avatar:
            await session.switch(avatar := utterance.avatar)
        for start in range(0, len(utterance.pcm), plan.chunk_bytes):
            await session.send_audio(utterance.pcm[start : start + plan.chunk_bytes])
            await asyncio.sleep(plan.pause_s)
        if utterance.is_cut:
            await asyncio.sleep(utterance.cut_after_s)
            await session.clear()
        else:
            await session.flush()
    await session.end()


async def converse(pipeline: Pipeline, plan: Plan) -> list[Any]:
    """All that a client is given."""
    options: Any = {"output": plan.output, "quality": plan.quality, "pace": "lossless", "sample_rate": plan.rate_hz}
    async with connect(pipeline.url, avatar=plan.utterances[0].avatar, **options) as session:
        saying = asyncio.create_task(say(session, plan))
        heard = [item async for item in session]
        await saying
        assert session.ended is not None
        assert session.ended.concealed == 0
    return heard


async def vanish(pipeline: Pipeline, seed: int) -> None:
    """A client that speaks, talks nonsense, and is gone without a word."""
    rng = random.Random(seed)
    async with open_socket(pipeline.url, compression=None) as socket:
        await socket.send(json.dumps({"type": "start", "avatar": rng.choice(NAMES), "pace": "lossless"}))
        await socket.send(noise(seed, 24_000))
        await socket.send(noise(seed, 100)[:-1])
        await socket.send("{")
        await asyncio.sleep(rng.uniform(0.05, 0.6))
        socket.transport.abort()


def check(folder: Path, plan: Plan, heard: Sequence[Any]) -> list[bytes]:
    """Every frame is the renderer's, and of utterances that nobody cut all are there; the pictures, for comparison."""
    epochs = plan_epochs(plan)
    segments: dict[int, list[Segment]] = {}
    frames: dict[tuple[int, int], list[Frame]] = {}
    for item in heard:
        match item:
            case Segment():
                segments.setdefault(item.epoch, []).append(item)
            case Frame():
                begun = [k for k, segment in enumerate(segments[item.epoch]) if segment.first_frame <= item.frame]
                frames.setdefault((item.epoch, begun[-1]), []).append(item)
    pictures = []
    for epoch, utterances in enumerate(epochs):
        for number, utterance in enumerate(utterances):
            got = frames.pop((epoch, number), [])
            wanted = wanted_of(folder, plan, utterance, got)
            assert [frame.picture for frame in got] == wanted[: len(got)]
            assert len(got) == len(wanted) or epoch < len(epochs) - 1
            pictures += wanted[: len(got)]
    assert not frames
    return pictures


def wanted_of(folder: Path, plan: Plan, utterance: Utterance, got: Sequence[Frame]) -> list[bytes]:
    """The pictures of an utterance, over the template frames that it was shown over."""
    manifest = avatar_of(folder, utterance.avatar).manifest
    shown = [frame.template for frame in got]
    places = range(2 * manifest.image.template.frames)
    template = next(p for p in places if [manifest.template_index(p + k) for k in range(len(shown))] == shown)
    resampler = StreamResampler(plan.rate_hz)
    pcm = resampler.push(utterance.pcm) + resampler.finish()
    return alone(folder, Scene(utterance.avatar, plan.output, plan.quality), pcm, template)


def plan_epochs(plan: Plan) -> list[list[Utterance]]:
    """The utterances of each epoch: a barge-in ends one."""
    epochs: list[list[Utterance]] = [[]]
    for utterance in plan.utterances:
        epochs[-1].append(utterance)
        if utterance.is_cut:
            epochs.append([])
    return epochs


async def test_every_frame_of_many_sessions_at_once_is_made_of_their_own_audio_and_avatar(
    redis_server: str, folder: Path
) -> None:
    plans = [plan_of(number) for number in range(SESSIONS)]
    async with running(redis_server, folder, count=3, avatars=NAMES, admit_by_load=False) as pipeline:
        speaking = (converse(pipeline, plan) for plan in plans)
        leaving = (vanish(pipeline, number) for number in range(VANISHING))
        heard, _ = await asyncio.gather(asyncio.gather(*speaking), asyncio.gather(*leaving))
    pictures = [check(folder, plan, each) for plan, each in zip(plans, heard, strict=True)]
    everything = list(chain.from_iterable(pictures))
    assert len(everything) > 400
    # Were pictures of different sessions alike, a mix-up could not be seen.
    assert len(set(everything)) > 0.95 * len(everything)


# one worker that serves everybody


class Piece(NamedTuple):
    """A task of one of several sessions, with its segment's audio."""

    task: Task
    pcm: bytes


def pieces() -> st.SearchStrategy[list[Piece]]:
    """Tasks in any order, with the same frame numbers everywhere; an id that comes back does so in another epoch."""

    def piece(session: int, epoch: int, avatar: str, base: int, number: int, output: str, quality: int) -> Piece:
        pcm = noise(1_000 * session + 100 * epoch + NAMES.index(avatar) + base, 16_000)
        manifest = avatar_of(_FOLDERS[0], avatar).manifest
        tasks = list(tasks_of(manifest, pcm, Settings(avatars=NAMES)))
        first = tasks[number % len(tasks)]
        changes: dict[str, Any] = {"session": f"session-{session}", "epoch": epoch, "output": output}
        changes |= {"quality": quality, "base": base, "first": first.first + base}
        return Piece(first.model_copy(update=changes), pcm)

    small = st.integers(0, 1)
    outputs, qualities = st.sampled_from(["frame", "patch"]), st.sampled_from([50, *OFFERED_QUALITIES, 90, 99])
    one = st.builds(piece, small, small, st.sampled_from(NAMES), st.sampled_from([0, 8]), small, outputs, qualities)
    return st.lists(one, min_size=6, max_size=18)


_FOLDERS: list[Path] = []


@pytest.fixture(scope="module")
def shared(folder: Path) -> Iterator[Path]:
    """The folder, for the strategies too."""
    _FOLDERS.append(folder)
    yield folder
    _FOLDERS.clear()


@settings(max_examples=20, deadline=None, phases=[Phase.generate], suppress_health_check=[HealthCheck.too_slow])
@given(found=st.deferred(pieces), size=st.integers(1, 5), rows=st.sampled_from([5, 500]))
def test_a_worker_that_serves_everybody_gives_each_what_one_of_its_own_would(
    shared: Path, found: list[Piece], size: int, rows: int
) -> None:
    avatars = {name: painter_of(shared, name) for name in NAMES}
    inference = Inference(avatars, RowCache(rows))
    compositor = Compositor([Pictures(avatar_of(shared, name), 85) for name in NAMES])
    jobs = [Job(task, columns_of(avatar_of(shared, task.avatar), task, pcm)) for task, pcm in found]
    batches = [jobs[start : start + size] for start in range(0, len(jobs), size)]
    patches = [patch for batch in batches for [patch] in inference.process(batch)]
    assert patches == [Inference(avatars).process([job])[0][0] for job in jobs]
    for job, patch in zip(jobs, patches, strict=True):
        own = Compositor([pictures_of(shared, job.task.avatar, job.task.quality)])
        assert compositor.process([Job(job.task, patch)]) == own.process([Job(job.task, patch)])


def test_idle_pictures_of_avatars_and_qualities_are_never_mixed_up(folder: Path) -> None:
    kinds = [(name, quality) for name in NAMES for quality in (*OFFERED_QUALITIES, 99)]
    first = {kind: template_jpeg(avatar_of(folder, kind[0]), 3, kind[1]) for kind in kinds}
    assert len(set(first.values())) == len(kinds)
    rng = random.Random(4)
    for name, quality in rng.choices(kinds, k=40):
        assert template_jpeg(load(folder, name), 3, quality) == first[name, quality]
