"""A rolling update, as a Deployment asks for it: every pod is replaced while the others serve."""

import asyncio
from typing import Final

from tests.scaling.pods import Cluster, Pod

_LOOK_S: Final = 0.05


async def roll(cluster: Cluster, deployment: str) -> None:
    """Start new pods while there is room for them, end old ones while enough are available, until all are new.

    As Kubernetes does, it does not wait for a pod's end before it goes on; it does at the very end.
    """
    bounds = cluster.deployments[deployment]["spec"]["strategy"]["rollingUpdate"]
    old = cluster.pods(deployment)
    wanted = len(old)
    new: list[Pod] = []
    ending: list[asyncio.Task[None]] = []
    while old or not all(pod.available.is_set() for pod in new):
        if len(new) < wanted and len(new) + len(old) < wanted + bounds["maxSurge"]:
            new.append(await cluster.start(deployment))
        if old and sum(_serves(pod) for pod in (*old, *new)) > wanted - bounds["maxUnavailable"]:
            ending.append(asyncio.create_task(cluster.end(old.pop(0))))
        await asyncio.sleep(_LOOK_S)
    await asyncio.gather(*ending)


def _serves(pod: Pod) -> bool:
    return pod.ready and pod.available.is_set()
