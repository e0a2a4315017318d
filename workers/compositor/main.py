"""The compositor worker: mouth patches -> finished JPEG frames in the session's frame ring."""

from common import keys, payloads
from common.avatars.registry import load_all
from common.contracts import OFFERED_QUALITIES
from common.publish import to_ring
from common.service import run as run_worker
from common.settings import Settings
from common.stage import Stage
from workers.compositor.pictures import Pictures
from workers.compositor.stage import Compositor


def build(settings: Settings) -> Stage:
    """The stage with the avatars' templates encoded, in every quality that a client may ask for."""
    avatars = load_all(settings)
    pictures = [Pictures(avatar, settings.jpeg_quality, further=OFFERED_QUALITIES) for avatar in avatars.values()]
    return Stage(
        name="compositor",
        stream=keys.stage("compositor"),
        process=Compositor(pictures).process,
        fetch=payloads.fetch,
        publish=to_ring(settings),
        avatars=tuple(avatars),
    )


def run(settings: Settings) -> None:
    """Work until SIGTERM."""
    run_worker(build(settings), settings)
