"""A measurement with round figures, for tests that reckon by hand."""

from datetime import date
from typing import Any

from cli.plan.coefficients import Cost, Measurement


def measured(**changes: Any) -> Measurement:
    """A frame, alone: gateway 4 ms, audio 3, inference 11, compositor 3, Redis 1, clients 2."""
    figures: dict[str, Any] = {
        "avatar": "tiny",
        "output": "frame",
        "fps": 25,
        "machine": "a machine of tests",
        "command": "python -m bench.coefficients",
        "measured_on": date(2026, 1, 2),
        "costs": {
            "gateway": Cost(message_ms=1, task_ms=1, frame_ms=2),
            "audio": Cost(task_ms=2, frame_ms=1),
            "inference": Cost(task_ms=1, frame_ms=10),
            "compositor": Cost(task_ms=2, frame_ms=1),
            "redis": Cost(task_ms=0.4, frame_ms=0.6),
            "client": Cost(message_ms=1, task_ms=0, frame_ms=1),
        },
        "processes": 5,
        "drowsy": 1.0,
        "stream_ms": {"audio": 0.1, "inference": 0.2, "compositor": 0.1},
        "picture_bytes": 60_000,
        "redis_in_bytes": 300_000,
        "redis_out_bytes": 300_000,
        "resident_mb": {"gateway": 120, "audio": 95, "inference": 215, "compositor": 220},
    }
    return Measurement.model_validate(figures | changes)


def with_cost(part: str, cost: Cost, **changes: Any) -> Measurement:
    """The same, but for one part."""
    return measured(costs={**measured().costs, part: cost}, **changes)
