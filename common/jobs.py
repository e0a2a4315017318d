"""The unit of work that a stage's function gets."""

from typing import NamedTuple

from common.contracts import Task


class Job(NamedTuple):
    """A task and the bytes that it needs."""

    task: Task
    payload: bytes
