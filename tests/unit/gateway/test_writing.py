"""What a session writes, and what of it is written again."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from common.records import Checkpoint, SegmentRecord
from gateway.actions import Action, Append
from gateway.bus import Address, GatewayBus
from gateway.writing import Writing

BEGUN = SegmentRecord(number=0, avatar="tiny", base=0, template=0, audio=0, commands=0)
VOIDED = Checkpoint(avatar="tiny", epoch=1)
FIRST, SECOND = Append(0, b"first"), Append(1, b"second")


@dataclass(slots=True)
class Bus:
    """Keeps what it is to carry out; fails `failing` times meanwhile, as one does that tries again."""

    outages: int = 3
    failing: int = 0
    carried: list[Action] = field(default_factory=list)

    async def carry_out(self, _: Address, actions: Sequence[Action]) -> None:
        self.outages += self.failing
        self.failing = 0
        self.carried += actions


def writing(bus: Bus) -> Writing:
    return Writing(cast(GatewayBus, cast(Any, bus)), Address("s", 85))


async def test_while_redis_is_there_everything_is_written_once() -> None:
    bus = Bus()
    session = writing(bus)
    await session.write([BEGUN, FIRST])
    await session.write([SECOND])
    assert bus.carried == [BEGUN, FIRST, SECOND]


async def test_after_an_outage_the_records_are_written_again_before_what_follows_and_only_once() -> None:
    bus = Bus()
    session = writing(bus)
    await session.write([BEGUN, FIRST])
    await session.write([VOIDED])
    bus.outages += 1
    for action in (SECOND, FIRST):
        bus.carried.clear()
        await session.write([action])
        assert bus.carried == ([BEGUN, VOIDED, SECOND] if action is SECOND else [FIRST])


async def test_an_outage_in_the_midst_of_a_write_counts_for_what_was_written_before_it() -> None:
    bus = Bus()
    session = writing(bus)
    await session.write([BEGUN])
    bus.failing = 2
    await session.write([FIRST])
    await session.write([SECOND])
    assert bus.carried == [BEGUN, FIRST, BEGUN, SECOND]
