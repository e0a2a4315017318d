"""An autoscaler for a cluster of this machine: KEDA's and Kubernetes' part, by the numbers of a ScaledObject."""

import asyncio
import time
from dataclasses import dataclass, field
from typing import NamedTuple

from tests.prometheus import Prometheus
from tests.scaling.hpa import Past, Seen, decide
from tests.scaling.pods import Cluster
from tests.scaling.rules import Rules


class Decision(NamedTuple):
    """What one look led to."""

    seen: Seen
    pods: int


@dataclass(slots=True)
class Autoscaler:
    """Keeps the pods of one Deployment at the number that its rules ask for.

    Attributes
    ----------
    room : pods that this machine has room for, as nodes have on a cluster; never more are started.
    """

    cluster: Cluster
    prometheus: Prometheus
    rules: Rules
    room: int
    decisions: list[Decision] = field(default_factory=list)

    async def run(self) -> None:
        """Look for ever."""
        rules = self.rules._replace(maximum=min(self.rules.maximum, self.room))
        past, ending = Past(), set[asyncio.Task[None]]()
        try:
            while True:
                seen = await self.look()
                pods, past = decide(rules, past, seen)
                self.decisions.append(Decision(seen, pods))
                for _ in range(pods - seen.pods):
                    await self.cluster.start(rules.target)
                for pod in reversed(self.cluster.pods(rules.target)[pods:]):
                    # The youngest go first, as Kubernetes prefers among pods that are equal otherwise.
                    ending.add(asyncio.create_task(self.cluster.end(pod)))
                await asyncio.sleep(rules.sync_s if pods else rules.polling_s)
        finally:
            await asyncio.gather(*ending, return_exceptions=True)

    async def look(self) -> Seen:
        """The pods, and the numbers that the triggers' queries give."""
        numbers = [await self.prometheus.value(trigger.query) for trigger in self.rules.triggers]
        pods = self.cluster.pods(self.rules.target)
        return Seen(time.monotonic(), len(pods), sum(pod.ready for pod in pods), tuple(numbers))
