"""A session's actions on their way to Redis; one that was away is told again what it may have forgotten."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from common.records import Checkpoint, SegmentRecord
from gateway.actions import Action
from gateway.bus import Address, GatewayBus

KEPT: Final = 16
"""More records than a session writes in the seconds that a Redis may lose."""


@dataclass(slots=True)
class Writing:
    """The writing half of a session."""

    bus: GatewayBus
    address: Address
    _outages: int = 0
    _records: deque[Action] = field(default_factory=lambda: deque(maxlen=KEPT))

    def __post_init__(self) -> None:
        self._outages = self.bus.outages

    async def write(self, actions: Sequence[Action]) -> None:
        """Carry out the actions; first, after an outage, the records before them once more.

        Redis may have come back without its last second, or a replica without its master's last words. Without its
        records a session could not go on at another gateway.

        Raises
        ------
        BusError
            As `GatewayBus.carry_out`.
        """
        outages = self.bus.outages
        again = self._records if outages != self._outages else ()
        await self.bus.carry_out(self.address, [*again, *actions])
        self._outages = outages
        self._records.extend(each for each in actions if isinstance(each, Checkpoint | SegmentRecord))
