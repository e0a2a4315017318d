"""The gateway looks at the installation every so often: says what its sessions ask for, reads how the workers do."""

import asyncio
import logging
from collections import Counter, deque
from collections.abc import Iterable
from itertools import count
from typing import Final

from common import heartbeat, keys
from common.avatars.package import Avatar
from common.backlog import Reading, forget, read
from common.errors import BusError
from gateway import redis_figures
from gateway.context import Gateway
from gateway.load import capacity_fps

log = logging.getLogger(__name__)

WINDOW_S: Final = 10.0
"""The workers' speed is measured over so long: some of their heartbeats, and less than a spell of other load."""
REDIS_LOOKS: Final = 10
"""Redis is asked of itself at every so many looks: that costs it more, and nothing here goes by it."""


async def watch(gateway: Gateway) -> None:
    """Look for ever; a look that fails is left out."""
    settings = gateway.settings
    readings: deque[Reading] = deque(maxlen=1 + round(WINDOW_S / settings.load_poll_s))
    try:
        for number in count():
            try:
                await _say(gateway)
                readings.append(await read(gateway.bus.redis, streams(gateway.avatars.values())))
                note(gateway, readings[0], readings[-1])
                await forget(gateway.bus.redis, readings[-1])
            except BusError as error:
                log.warning("cannot look at the load: %s", error)
            except Exception:
                # Blind, the gateway would go by its last look for ever.
                log.exception("a look at the load failed; the next one is due")
            if number % REDIS_LOOKS == 0:
                await _look_at_redis(gateway)
            await asyncio.sleep(settings.load_poll_s)
    finally:
        await _leave(gateway)


def streams(avatars: Iterable[Avatar]) -> list[str]:
    """The work streams that sessions with these avatars need."""
    pools = sorted({avatar.manifest.pool for avatar in avatars})
    return [keys.stage("audio"), *(keys.stage("inference", pool) for pool in pools), keys.stage("compositor")]


def note(gateway: Gateway, first: Reading, last: Reading) -> None:
    """What the looks say goes into the gateway's judgement and its metrics."""
    me, admission, metrics = gateway.bus.gateway_id, gateway.admission, gateway.metrics
    others_fps = sum(other.asked_fps for other in last.gateways if other.gateway != me)
    workers = max(Counter(worker.stage for worker in last.workers).values(), default=0)
    admission.observe(last.oldest_ms, capacity_fps(first, last), workers, others_fps)
    metrics.observe_backlogs(last.backlogs)
    metrics.speaking.set(gateway.speaking)
    metrics.capacity.set(admission.capacity_fps or 0.0)


async def _say(gateway: Gateway) -> None:
    """Tell the other gateways; a full Redis does not hear it and can still be read."""
    facts = {
        "sessions": len(gateway.sessions), "speaking": gateway.speaking, "asked_fps": gateway.asked_fps,
        "frames": gateway.metrics.frames_sent,
    }  # fmt: skip
    try:
        await heartbeat.say(
            gateway.bus.redis, keys.gateway(gateway.bus.gateway_id), facts, gateway.settings.heartbeat_s
        )
    except BusError as error:
        log.warning("no heartbeat: %s", error)


async def _look_at_redis(gateway: Gateway) -> None:
    """Whatever comes of it: the looks at the load must go on."""
    figures = gateway.metrics.redis
    try:
        figures.nodes = await redis_figures.look(gateway.bus.redis)
    except Exception as error:
        # Old figures would look like those of a Redis that has nothing to do.
        figures.nodes = ()
        log.warning("Redis tells nothing of itself: %r", error)


async def _leave(gateway: Gateway) -> None:
    try:
        await heartbeat.stop(gateway.bus.redis, keys.gateway(gateway.bus.gateway_id))
    except BusError as error:
        log.warning("left without a word: %s", error)
