"""Drives a session's state machine without a socket, a Redis or a clock."""

import json
from typing import Any

from common.avatars.package import Avatar
from common.frames import FrameHeader
from gateway.actions import Action, Publish
from gateway.rules import SessionRules
from gateway.session import SessionCore

SECOND = b"\0\0" * 16_000


def core(avatar: Avatar, **changes: Any) -> SessionCore:
    rules: dict[str, Any] = {
        "sample_rate_hz": 16_000,
        "in_flight_frames": 64,
        "task_frames": 8,
        "deadline_ms": 2_000,
        "flush_after_ms": 600,
    }
    return SessionCore(avatar.manifest, SessionRules(**(rules | changes)), idle_picture)


def idle_picture(name: str, index: int) -> bytes:
    """Tells whose it is, and which."""
    return {"tiny": b"idle%d", "reference": b"other%d"}[name] % index


def tasks(actions: list[Action]) -> list[Publish]:
    return [action for action in actions if isinstance(action, Publish)]


def finished(task: Publish) -> dict[int, bytes]:
    """What the pipeline makes of a task."""
    headers = [
        FrameHeader(task.epoch, task.first + k, (task.first + k) * 40_000, task.template + k, (0, 0, 1, 1))
        for k in range(task.count)
    ]
    return {header.frame: header.pack(task.avatar.encode()) for header in headers}


def run_pipeline(session: SessionCore, actions: list[Action], now_ms: float = 0) -> None:
    """Do all tasks, and those that follow from them."""
    todo = tasks(actions)
    while todo:
        todo += tasks(session.arrived(finished(todo.pop(0)), now_ms))


def said(session: SessionCore) -> list[dict[str, Any]]:
    return [json.loads(item.message) for item in session.outbox if isinstance(item.message, str)]


def frames_out(session: SessionCore) -> list[FrameHeader]:
    return [FrameHeader.unpack(item.message)[0] for item in session.outbox if isinstance(item.message, bytes)]


def order(session: SessionCore) -> list[str | int]:
    """What waits to leave: the types of messages and the numbers of frames, in their order."""
    return [
        json.loads(item.message)["type"] if isinstance(item.message, str) else FrameHeader.unpack(item.message)[0].frame
        for item in session.outbox
    ]


def send(session: SessionCore, count: int) -> None:
    """So many frames leave, with what is said before them."""
    while count:
        count -= isinstance(session.outbox.popleft().message, bytes)
