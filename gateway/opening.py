"""What a session begins with: its rules, its record in Redis, its `started` or `resumed`."""

import time
from importlib.metadata import version
from typing import Any, Final, NamedTuple

from common.avatars.package import Avatar
from common.errors import InputError
from common.recording.records import VERSION, Header
from common.records import SessionRecord
from common.settings import Settings
from gateway.messages import Start, dump
from gateway.replies import scene_of
from gateway.rules import SessionRules
from gateway.session import SessionCore

RECORDED_SETTINGS: Final = {
    "task_frames", "in_flight_frames", "frame_deadline_ms", "lossless_deadline_ms", "flush_after_ms", "skip_after_ms",
    "model_threads",
}  # fmt: skip
"""Those that bear on which frames were sent, and when."""


class ResumeTicket(NamedTuple):
    """With what a client may come back, and how soon it must."""

    token: str
    within_s: int


def rules_of(settings: Settings, start: Start) -> SessionRules:
    """The settings that a session needs; one that wants every frame has time, and its pauses mean nothing."""
    live = start.pace == "live"
    return SessionRules(
        sample_rate_hz=start.sample_rate,
        in_flight_frames=settings.in_flight_frames,
        task_frames=settings.task_frames,
        deadline_ms=settings.frame_deadline_ms if live else settings.lossless_deadline_ms,
        flush_after_ms=settings.flush_after_ms if live else None,
        skip_after_ms=settings.skip_after_ms if live else None,
        idle=start.idle,
    )


def is_recorded(settings: Settings, start: Start) -> bool:
    """Whether the session shall be recorded.

    Raises
    ------
    InputError
        The client asks for what this server does not do.
    """
    wanted = settings.record == "all" or (settings.record == "asked" and bool(start.record))
    if start.record is not None and start.record != wanted:
        does = "no" if settings.record == "off" else "every"
        raise InputError(f"this server records {does} session", field="record", limit=settings.record)
    return wanted


def record_of(avatar: Avatar, start: Start, quality: int, gateway_id: str, now_s: float) -> SessionRecord:
    """The session as operators see it, and as another gateway would find it."""
    return SessionRecord(
        avatar=avatar.name,
        gateway=gateway_id,
        state="open",
        sample_rate=start.sample_rate,
        fps=avatar.manifest.fps,
        created_at=now_s,
        last_seen=now_s,
        format=start.format,
        pace=start.pace,
        idle=start.idle,
        output=start.output,
        quality=quality,
        recorded=bool(start.record),
    )


def header_of(
    settings: Settings, session: str, avatar: dict[str, Any], start: Start, record: SessionRecord, core: SessionCore
) -> Header:
    """The beginning of a session's recording, or of what this gateway adds to it."""
    return Header(
        v=VERSION,
        session=session,
        created_s=time.time(),
        version=version("lipstream"),
        gateway=record.gateway,
        avatar=avatar,
        provider=settings.provider,
        fps=record.fps,
        sample_rate=start.sample_rate,
        format=start.format,
        pace=start.pace,
        idle=start.idle,
        output=start.output,
        quality=record.quality,
        settings=settings.model_dump(include=RECORDED_SETTINGS),
        epoch=core.epoch,
        audio=core.heard.audio,
        commands=core.heard.commands,
    )


def start_of(record: SessionRecord, settings: Settings) -> Start:
    """What the client of a session asked for at its start; the quality may be one that was never asked for."""
    asked = record.model_dump(include={"avatar", "sample_rate", "format", "pace", "idle", "output"})
    return Start(type="start", **asked, record=bool(record.recorded) and settings.record != "off")


def started(session: str, avatar: Avatar, start: Start, ticket: ResumeTicket) -> str:
    """The answer to `start`."""
    return dump("started", **_open(session, avatar, start, ticket), epoch=0)


def resumed(session: str, avatar: Avatar, start: Start, ticket: ResumeTicket, core: SessionCore) -> str:
    """The answer to `resume`."""
    return dump(
        "resumed", **_open(session, avatar, start, ticket), epoch=core.epoch, next_frame=core.next_frame,
        audio=core.heard.audio, commands=core.heard.commands,
    )  # fmt: skip


def _open(session: str, avatar: Avatar, start: Start, ticket: ResumeTicket) -> dict[str, Any]:
    return scene_of(avatar.manifest) | {
        "session": session, "output": start.output, "format": start.format, "patch": list(avatar.crops[0]),
        "recording": bool(start.record), "resume": ticket.token, "resume_s": ticket.within_s,
    }  # fmt: skip
