"""The inference worker: log-mel columns of many sessions -> one batch through the model -> mouth patches."""

from common import keys, payloads
from common.avatars.registry import load_all
from common.errors import SettingsError
from common.publish import to_stream
from common.settings import Settings
from common.stage import Stage
from common.worker import run as run_worker
from workers.inference.stage import Inference, load_avatar


def build(settings: Settings) -> Stage:
    """The stage with its models loaded and warm; one worker serves one pool."""
    avatars = load_all(settings)
    pools = {avatar.manifest.pool for avatar in avatars.values()}
    if len(pools) != 1:
        raise SettingsError(f"avatars: an inference worker serves one pool, these are of {sorted(pools)}")
    loaded = {name: load_avatar(a, settings.provider, settings.model_threads) for name, a in avatars.items()}
    return Stage(
        name="inference",
        stream=keys.stage("inference", pools.pop()),
        process=Inference(loaded).process,
        fetch=payloads.fetch,
        publish=to_stream(lambda _: keys.stage("compositor"), settings),
        avatars=tuple(avatars),
        max_wait_ms=settings.max_wait_ms,
        batch_max=max(avatar.painter.batch for avatar in loaded.values()),
    )


def run(settings: Settings) -> None:
    """Work until SIGTERM."""
    run_worker(build(settings), settings)
