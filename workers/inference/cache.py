"""A bounded memory of encoder rows."""

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from common.contracts import Task


class StepKey(NamedTuple):
    """What a row is of. Its window is whole or at a known end whenever it is computed, so it never changes."""

    avatar: str
    session: str
    epoch: int
    base: int
    step: int


def key_of(task: Task, step: int) -> StepKey:
    """The key of a step of the task's segment."""
    return StepKey(task.avatar, task.session, task.epoch, task.base, step)


@dataclass(slots=True)
class RowCache:
    """The rows that were used last, at most `capacity` of them; it makes things faster, never different."""

    capacity: int
    _rows: OrderedDict[StepKey, NDArray[np.float32]] = field(default_factory=OrderedDict)

    def __len__(self) -> int:
        return len(self._rows)

    def get(self, key: StepKey) -> NDArray[np.float32] | None:
        """The row, which is now the one used last; or None."""
        if key not in self._rows:
            return None
        self._rows.move_to_end(key)
        return self._rows[key]

    def put(self, key: StepKey, row: NDArray[np.float32]) -> None:
        """Keep a row; the one not used for longest makes room."""
        # A copy: a row is a view of its whole batch, which would live as long.
        self._rows[key] = row.copy()
        self._rows.move_to_end(key)
        while len(self._rows) > self.capacity:
            self._rows.popitem(last=False)

    def clear(self) -> None:
        """Forget everything."""
        self._rows.clear()
