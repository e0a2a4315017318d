"""What Redis says of itself, as Prometheus gets it."""

from gateway.metrics import Metrics
from gateway.redis_figures import Command, Node


def test_nothing_is_said_before_the_first_look() -> None:
    assert Metrics().registry.get_sample_value("lipstream_redis_memory_bytes", {"node": "master"}) is None


def test_each_node_has_its_memory_and_its_commands() -> None:
    metrics = Metrics()
    metrics.redis.nodes = (
        Node("a:1", 1_000, 2_000, {"xadd": Command(3, 1_500), "xgroup|create": Command(1, 20)}),
        Node("b:1", 500, 0, {"xadd": Command(7, 700)}),
    )

    def told(name: str, **labels: str) -> float | None:
        return metrics.registry.get_sample_value(f"lipstream_redis_{name}", labels)

    assert (told("memory_bytes", node="a:1"), told("memory_limit_bytes", node="a:1")) == (1_000, 2_000)
    assert told("memory_limit_bytes", node="b:1") == 0
    assert told("command_calls_total", node="a:1", command="xgroup|create") == 1
    assert told("command_seconds_total", node="a:1", command="xadd") == 0.0015
    assert told("command_seconds_total", node="b:1", command="xadd") == 0.0007
