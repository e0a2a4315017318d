"""Dead letters: tasks that a stage has given up, with the error."""

import re
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from redis.asyncio import Redis

from cli.inspect.keyspace import STAGES, names
from common import keys
from common.clock import written_ms
from common.contracts import Task
from common.errors import InputError, TaskError
from common.redis_client import translated
from common.streams import DEAD_MAXLEN, Entry

_ID: Final = re.compile(r"\d+-\d+")
_NOT_OF_THE_TASK: Final = (b"entry", b"error", b"blob")


class Letter(NamedTuple):
    """A dead letter as it stands in Redis; `task` is None where its fields are not a task's."""

    stage: str
    id: str
    task: Task | None
    fields: dict[str, str]

    @property
    def error(self) -> str:
        return self.fields.get("error", "")

    def as_dict(self) -> dict[str, Any]:
        return {"stage": self.stage, "id": self.id, "died_ms": written_ms(self.id.encode())} | self.fields

    def brief(self) -> dict[str, Any]:
        """What fits into a line."""
        about = {"session": self.task.session, "first": self.task.first, "count": self.task.count} if self.task else {}
        return {"stage": self.stage, "id": self.id} | about | {"error": self.error}


async def letters(redis: Redis, stage: str | None = None, letter_id: str | None = None) -> list[Letter]:
    """The dead letters of a stage, or of all, the oldest first; one alone where its id is given.

    Raises
    ------
    InputError
        There is no such stage or no such letter.
    BusError
        Redis cannot be reached.
    """
    if letter_id is not None and not _ID.fullmatch(letter_id):
        raise InputError(f"'{letter_id[:64]}' is no id; they look like 1700000000000-0", field="id")
    found = await names(redis)
    stages = [key.removeprefix(keys.dead("")) for key in found.dead]
    if stage is not None:
        check_stage(stage, (*stages, *map(keys.stage_of, found.streams)))
        stages = [stage]
    with translated():
        pipe = redis.pipeline(transaction=False)
        for name in stages:
            pipe.xrange(keys.dead(name), letter_id or "-", letter_id or "+", count=DEAD_MAXLEN)
        replies = await pipe.execute()
    gathered = [_letter(name, entry) for name, entries in zip(stages, replies, strict=True) for entry in entries]
    if letter_id is not None and not gathered:
        raise InputError(f"no dead letter {letter_id} of {stage}; `lipstream dead list` shows them", field="id")
    return gathered


async def purge(redis: Redis, which: Sequence[Letter]) -> int:
    """Throw letters away; how many were still there.

    Raises
    ------
    BusError
        Redis cannot be reached.
    """
    with translated():
        pipe = redis.pipeline(transaction=False)
        for letter in which:
            pipe.xdel(keys.dead(letter.stage), letter.id)
        return sum(await pipe.execute())


def check_stage(stage: str, found: Sequence[str] = ()) -> None:
    """Raise `InputError` for a stage that is neither one of ours nor found in Redis."""
    known = tuple(dict.fromkeys((*STAGES, *found)))
    if stage not in known:
        raise InputError(f"no stage '{stage[:64]}'; known: {', '.join(known)}", field="stage")


def _letter(stage: str, entry: Entry) -> Letter:
    entry_id, fields = entry
    try:
        task = Task.from_fields({name: value for name, value in fields.items() if name not in _NOT_OF_THE_TASK})
    except TaskError:
        task = None
    texts = {name.decode(errors="replace"): value.decode(errors="replace") for name, value in fields.items()}
    return Letter(stage, entry_id.decode(), task, texts)
