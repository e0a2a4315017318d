"""Another try for a dead letter's task: whether it makes sense, and the task that goes out again.

It begins again at the audio stage, whichever stage gave it up: all that it needs is in the session's audio ring, so it
does not matter that its payload is gone. What is finished twice overwrites itself.
"""

import time
from typing import Any, NamedTuple

from redis.asyncio import Redis

from cli.inspect.facts import Slot
from cli.inspect.letters import Letter, letters
from cli.inspect.trace import audio_frames, read_slot
from common import keys, sessions
from common.contracts import Task
from common.records import SessionRecord
from common.redis_client import translated


class Retried(NamedTuple):
    """What became of a retry: the id of the task's new entry, or what stands against it."""

    stage: str
    id: str
    entry: str | None = None
    why_not: str = ""

    def brief(self) -> dict[str, str]:
        """What fits into a line."""
        result = f"retried as {self.entry} of {keys.stage('audio')}" if self.entry else f"not retried: {self.why_not}"
        return {"stage": self.stage, "id": self.id, "result": result}


async def retry(redis: Redis, which: list[Letter], slots: int) -> list[Retried]:
    """Put what can be tried again on `stage:audio`, and take it from the dead letters.

    Parameters
    ----------
    slots : size of the frame rings.

    Raises
    ------
    BusError
        Redis cannot be reached.
    """
    return [await _retry(redis, letter, slots) for letter in which]


async def show(redis: Redis, stage: str, letter_id: str, slots: int) -> dict[str, Any]:
    """A dead letter, and under `retry` whether another try makes sense.

    Raises
    ------
    InputError
        There is no such stage or no such letter.
    BusError
        Redis cannot be reached.
    """
    (letter,) = await letters(redis, stage, letter_id)
    return letter.as_dict() | {"retry": await _obstacle(redis, letter, slots) or "possible"}


def why_not(
    task: Task | None, record: SessionRecord | None, audio: tuple[int, int] | None, slot: Slot | None
) -> str | None:
    """What stands against another try of a task; None: nothing.

    Parameters
    ----------
    audio : first and last frame of the session's audio ring.
    slot : what the task's first frame would overwrite in the frame ring.
    """
    if task is None:
        return "its fields are not those of a task"
    if record is None:
        return "its session has ended"
    if record.epoch != task.epoch:
        return f"a barge-in has made it void: it is of epoch {task.epoch}, the session in {record.epoch}"
    if record.next_frame >= task.end:
        return f"it is too late: the session has shown {record.next_frame} frames, these were concealed"
    if slot is not None and slot.frame > task.first:
        return f"it is too late: frame {slot.frame} is already in the slot of frame {task.first}"
    if audio is None or audio[0] > task.first or audio[1] < task.end - 1:
        held = "nothing" if audio is None else f"frames {audio[0]} to {audio[1]}"
        return f"its audio is gone: the audio ring holds {held}, the task needs {task.first} to {task.end - 1}"
    return None


def again(task: Task, now_ms: float) -> Task:
    """The task as it goes out again: with as much time as it had at first."""
    allowance_ms = max(1_000.0, task.deadline_ms - task.ingest_ms)
    return task.model_copy(update={"sent_ms": now_ms, "deadline_ms": now_ms + allowance_ms, "timings": ""})


async def _retry(redis: Redis, letter: Letter, slots: int) -> Retried:
    obstacle = await _obstacle(redis, letter, slots)
    if obstacle or letter.task is None:
        return Retried(letter.stage, letter.id, why_not=obstacle or "")
    with translated():
        fields: Any = again(letter.task, time.time() * 1000).to_fields()
        entry: Any = await redis.xadd(keys.stage("audio"), fields)
        # In this order: cut off between the two, the task is tried twice, not never.
        await redis.xdel(keys.dead(letter.stage), letter.id)
    return Retried(letter.stage, letter.id, entry.decode())


async def _obstacle(redis: Redis, letter: Letter, slots: int) -> str | None:
    task = letter.task
    if task is None:
        return why_not(None, None, None, None)
    return why_not(
        task,
        await sessions.read(redis, task.session),
        await audio_frames(redis, task.session),
        await read_slot(redis, task.session, task.first, slots),
    )
