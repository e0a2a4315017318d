"""What serves all sessions: the workers' loop, the gateways' inboxes, and the looks at the queues."""

from functools import partial
from typing import Final

from bench.simulation.session import put
from bench.simulation.world import Process, World, then
from cli.plan.coefficients import Stage
from cli.plan.model import ROUND_TRIPS

NOTICES_MAX: Final = 256
BEFORE: Final = 0.6
"""Share of a worker's round trips that come before its work: read, epochs, payload of five."""
FOLLOWING: Final[dict[Stage, Stage]] = {"audio": "inference", "inference": "compositor"}


def worker(world: World, stage: Stage) -> Process:
    """The worker loop: read, work, publish, finish; nothing of the next batch meanwhile."""
    settings, cost = world.settings, world.measurement.costs[stage]
    waits_ms = ROUND_TRIPS[stage] * world.scene.network_ms
    batch_max = settings.batch_max if stage != "inference" or cost.batch_ms else 1
    thread, busy = world.thread(), False
    while True:
        batch = yield world.streams[stage].take(batch_max)
        begun_ms = max(world.env.now, world.scene.warm_up_s * 1000)
        if busy and cost.batch_ms and len(batch) < batch_max:
            yield world.wait(settings.max_wait_ms)
            batch += world.streams[stage].cut(batch_max - len(batch))
        frames = sum(work.publish.count for work in batch)
        yield world.visit_redis(len(batch), frames)
        yield world.wait(waits_ms * BEFORE)
        wanted = [work for work in batch if work.publish.deadline_ms >= world.env.now]
        world.record.dropped += (len(batch) - len(wanted)) * world.warm
        busy = True
        if not wanted:
            continue
        frames = sum(work.publish.count for work in wanted)
        yield thread.run(world.spread(cost.of(len(wanted), frames)))
        yield world.visit_redis(len(wanted), frames)
        for session, publish, _ in wanted:
            if stage == "compositor":
                world.inboxes[session.gateway].put((session, publish))
            else:
                put(world, FOLLOWING[stage], session, publish)
        yield world.wait(waits_ms * (1 - BEFORE))
        world.record.in_hand_ms[stage] += max(0.0, world.env.now - begun_ms)


def inbox(world: World, number: int) -> Process:
    """A gateway's only reader: fetches the frames of all notices that are there, and hands them to their sessions."""
    while True:
        notices = yield world.inboxes[number].take(NOTICES_MAX)
        yield world.wait(2 * world.scene.network_ms)
        yield world.visit_redis(len(notices), sum(publish.count for _, publish in notices))
        for session, publish in notices:
            then(session.deliver(publish), partial(session.arrived, publish))


def ages(world: World) -> Process:
    """Twice a second, as gateways do: how old is the oldest task of each stage?"""
    while True:
        yield world.wait(world.settings.load_poll_s * 1000)
        if world.warm:
            for stage, stream in world.streams.items():
                oldest = stream.oldest()
                world.record.ages_ms[stage].append(world.env.now - oldest.written_ms if oldest else 0.0)
