"""The workers that live, by their heartbeats."""

from redis.asyncio import Redis

from common import keys
from common.backlog import WorkerReport
from common.redis_client import translated

STAGES = ("audio", "inference", "compositor")


async def living(redis: Redis) -> list[WorkerReport]:
    """The workers whose heartbeat has not expired, by stage and name.

    Raises
    ------
    BusError
        Redis cannot be reached.
    """
    with translated():
        found = sorted({key async for key in redis.scan_iter(match=keys.worker("*", "*"), count=1000)})
        pipe = redis.pipeline(transaction=False)
        for key in found:
            pipe.hgetall(key)
        replies = await pipe.execute()
    # One may expire between the two looks.
    return [_report(key.decode(), fields) for key, fields in zip(found, replies, strict=True) if fields]


def _report(key: str, fields: dict[bytes, bytes]) -> WorkerReport:
    _, stage, worker = key.split(":", 2)
    facts = {name.decode(): value.decode() for name, value in fields.items()}
    return WorkerReport.model_validate(facts | {"stage": stage, "worker": worker})


def missing_stages(workers: list[WorkerReport], avatar: str | None = None) -> list[str]:
    """The stages without a live worker, or without one that has the avatar."""
    present = {worker.stage for worker in workers if avatar is None or avatar in worker.avatars}
    return [stage for stage in STAGES if stage not in present]
