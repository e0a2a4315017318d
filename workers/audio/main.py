"""The audio worker: reads the session's audio ring, publishes log-mel columns for the inference workers."""

from collections.abc import Sequence
from functools import partial

from redis.asyncio import Redis

from common import keys, rings
from common.avatars.manifest import Manifest
from common.avatars.registry import load_all, stream_pool
from common.publish import to_stream
from common.service import run as run_worker
from common.settings import Settings
from common.stage import Delivery, Stage
from workers.audio.stage import AudioStage, samples_of_task


async def fetch(manifests: dict[str, Manifest], redis: Redis, deliveries: Sequence[Delivery]) -> list[bytes | None]:
    """PCM of the deliveries from their sessions' audio rings; nothing for an avatar that is not ours."""
    known = [d for d in deliveries if d.task.avatar in manifests]
    ranges = [
        rings.AudioRange(
            d.task.session,
            d.task.base,
            manifests[d.task.avatar].samples_per_frame,
            samples_of_task(manifests[d.task.avatar], d.task),
        )
        for d in known
    ]
    pieces = iter(await rings.read_audio(redis, ranges) if ranges else [])
    return [next(pieces) if d.task.avatar in manifests else b"" for d in deliveries]


def build(settings: Settings) -> Stage:
    """The stage with the avatars of the settings."""
    avatars = load_all(settings)
    manifests = {name: avatar.manifest for name, avatar in avatars.items()}
    return Stage(
        name="audio",
        stream=keys.stage("audio"),
        process=AudioStage(manifests).process,
        fetch=partial(fetch, manifests),
        publish=to_stream(lambda name: keys.stage("inference", stream_pool(avatars, name)), settings),
        avatars=tuple(avatars),
    )


def run(settings: Settings) -> None:
    """Work until SIGTERM."""
    run_worker(build(settings), settings)
