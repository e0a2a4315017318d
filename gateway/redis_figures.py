"""What Redis says of itself: its memory, and the time that it spends in commands; of a cluster, each master."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from redis.asyncio import Redis
from redis.asyncio.cluster import ClusterNode, RedisCluster

from common.redis_client import translated

ALONE: Final = "master"
"""What a server is called that is no cluster's: whatever its address, there is one."""


class Command(NamedTuple):
    """What a server has done of one command since it started, or since its statistics were reset."""

    calls: int
    busy_us: int


class Node(NamedTuple):
    """One server; `limit_bytes` is 0 where nothing but the machine bounds its memory."""

    name: str
    used_bytes: int
    limit_bytes: int
    commands: Mapping[str, Command]


async def look(redis: Redis) -> tuple[Node, ...]:
    """Ask every master, two short questions each.

    Raises
    ------
    BusError
        Redis cannot be reached, or does not let us ask.
    ResponseError
        The server knows no such question.
    """
    with translated():
        if not isinstance(redis, RedisCluster):
            return (await _look_at(redis, ALONE),)
        return tuple([await _look_at(redis, node.name, target_nodes=node) for node in redis.get_primaries()])


async def _look_at(redis: Redis, name: str, **where: ClusterNode) -> Node:
    # Two questions: before Redis 7 one names a single section.
    memory: dict[str, Any] = await redis.info("memory", **where)
    stats: dict[str, Any] = await redis.info("commandstats", **where)
    commands = {
        command.removeprefix("cmdstat_"): Command(int(said["calls"]), int(said["usec"]))
        for command, said in stats.items()
    }
    return Node(name, int(memory["used_memory"]), int(memory["maxmemory"]), commands)


@dataclass(slots=True, eq=False)
class RedisFigures:
    """The last look, for Prometheus; nothing while there is none."""

    nodes: tuple[Node, ...] = ()

    def collect(self) -> Iterator[GaugeMetricFamily | CounterMetricFamily]:
        """The figures by node, as Prometheus asks for them."""
        used = GaugeMetricFamily("lipstream_redis_memory_bytes", "Memory that Redis uses", labels=["node"])
        limit = GaugeMetricFamily("lipstream_redis_memory_limit_bytes", "maxmemory; 0: none", labels=["node"])
        labels = ["node", "command"]
        calls = CounterMetricFamily("lipstream_redis_command_calls", "Commands that Redis carried out", labels=labels)
        busy = CounterMetricFamily("lipstream_redis_command_seconds", "Time that they took in Redis", labels=labels)
        for node in self.nodes:
            used.add_metric([node.name], node.used_bytes)
            limit.add_metric([node.name], node.limit_bytes)
            for name, command in node.commands.items():
                calls.add_metric([node.name, name], command.calls)
                busy.add_metric([node.name, name], command.busy_us / 1e6)
        yield from (used, limit, calls, busy)
