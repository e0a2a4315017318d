"""A worker's process: its connection, its signals, its metrics, around the loop of `worker.py`."""

import asyncio
import logging
import signal

import uvloop

from common.garbage import spare_what_lasts
from common.logging import identify
from common.redis_address import url_of
from common.redis_client import check_server, close, connect
from common.settings import Settings
from common.stage import Stage
from common.telemetry import served
from common.tls import server_context
from common.worker import Worker

log = logging.getLogger(__name__)


def run(stage: Stage, settings: Settings) -> None:
    """Run one worker of a stage until SIGTERM or SIGINT; blocking.

    Raises
    ------
    BusError
        Redis cannot be reached at start, is too old, or does not let us in.
    SettingsError
        The port for the metrics is taken; the certificate is none.
    """
    uvloop.run(_run(stage, settings))


async def _run(stage: Stage, settings: Settings) -> None:
    redis, tls = connect(url_of(settings), block_ms=settings.block_ms), server_context(settings)
    try:
        version = await check_server(redis)
        worker = Worker(stage, redis, settings)
        identify(stage=stage.name, worker=worker.worker_id)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, worker.stopping.set)
        log.info("%s worker %s is ready on Redis %s", stage.name, worker.worker_id, version)
        spare_what_lasts()
        with served(settings.metrics_port, settings.host, worker.metrics, worker.state, tls):
            await worker.run()
        log.info("%s worker drained: %d tasks, %d frames", stage.name, worker.counters.tasks, worker.counters.frames)
    finally:
        await close(redis)
