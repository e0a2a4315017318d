"""The inference worker: log-mel columns of many sessions -> one batch through the model -> mouth patches."""

import time

from common import keys, payloads
from common.avatars.package import Avatar
from common.avatars.registry import load_all
from common.errors import SettingsError
from common.publish import to_stream
from common.service import run as run_worker
from common.settings import Settings
from common.stage import ModelLoad, Stage
from workers.inference.stage import Inference, LoadedAvatar, load_avatar


def build(settings: Settings) -> Stage:
    """The stage with its models loaded and warm; one worker serves one pool."""
    avatars = load_all(settings)
    pools = {avatar.manifest.pool for avatar in avatars.values()}
    if len(pools) != 1:
        raise SettingsError(f"avatars: an inference worker serves one pool, these are of {sorted(pools)}")
    made = {name: _load(name, avatar, settings) for name, avatar in avatars.items()}
    loaded = {name: avatar for name, (avatar, _) in made.items()}
    return Stage(
        name="inference",
        stream=keys.stage("inference", pools.pop()),
        process=Inference(loaded).process,
        fetch=payloads.fetch,
        publish=to_stream(lambda _: keys.stage("compositor"), settings),
        avatars=tuple(avatars),
        max_wait_ms=settings.max_wait_ms,
        batch_max=max(avatar.painter.batch for avatar in loaded.values()),
        loads=tuple(load for _, load in made.values()),
    )


def _load(name: str, avatar: Avatar, settings: Settings) -> tuple[LoadedAvatar, ModelLoad]:
    began_s = time.monotonic()
    loaded = load_avatar(avatar, settings.provider, settings.model_threads)
    return loaded, ModelLoad(name, settings.provider, time.monotonic() - began_s)


def run(settings: Settings) -> None:
    """Work until SIGTERM."""
    run_worker(build(settings), settings)
