"""A whole installation of an overlay on this machine: Redis, pods, a Service of the gateways, and Prometheus."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from common.settings import Settings
from tests.e2e.processes import redis_server
from tests.prometheus import Prometheus
from tests.scaling.pods import Cluster, cluster
from tests.scaling.service import service
from tests.scaling.watched import watched

OVERLAY: Final = "prod-cpu"
_LOAD_POLL_MIN_S: Final = 0.1


@asynccontextmanager
async def installation(
    overlay: str, settings: Mapping[str, Any], folder: Path, speed: float
) -> AsyncIterator[tuple[Cluster, Prometheus, str]]:
    """A cluster without pods, Prometheus, and the address of the Service of the gateways."""
    with redis_server() as redis_url:
        # What is exported must be as fresh, against how often it is looked at, as where nothing is made faster.
        load_poll_s = max(_LOAD_POLL_MIN_S, Settings().load_poll_s / speed)
        here = {"redis_url": redis_url, "admit_by_load": False, "load_poll_s": load_poll_s, **settings}
        async with (
            cluster(overlay, here, folder, speed) as made,
            watched(made, folder) as prometheus,
            service(made, "gateway", "http") as port,
        ):
            yield made, prometheus, f"ws://127.0.0.1:{port}/ws"


async def begin(made: Cluster, counts: Mapping[str, int]) -> None:
    """Start so many pods of each Deployment, and wait until all are available."""
    pods = [await made.start(name) for name, count in counts.items() for _ in range(count)]
    await made.until_available(*pods)
