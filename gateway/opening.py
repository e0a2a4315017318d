"""What a session begins with: its rules, its record in Redis, its `started`."""

from common.avatars.package import Avatar
from common.sessions import SessionRecord
from common.settings import Settings
from gateway.messages import Start, dump
from gateway.replies import scene_of
from gateway.session import SessionRules


def rules_of(settings: Settings, start: Start) -> SessionRules:
    """The settings that a session needs; one that wants every frame has time, and its pauses mean nothing."""
    live = start.pace == "live"
    return SessionRules(
        sample_rate_hz=start.sample_rate,
        in_flight_frames=settings.in_flight_frames,
        task_frames=settings.task_frames,
        deadline_ms=settings.frame_deadline_ms if live else settings.lossless_deadline_ms,
        flush_after_ms=settings.flush_after_ms if live else None,
        idle=start.idle,
    )


def record_of(avatar: Avatar, start: Start, gateway_id: str, now_s: float) -> SessionRecord:
    """The session as operators see it."""
    return SessionRecord(
        avatar=avatar.name,
        gateway=gateway_id,
        state="open",
        epoch=0,
        sample_rate=start.sample_rate,
        fps=avatar.manifest.fps,
        created_at=now_s,
        last_seen=now_s,
    )


def started(session: str, avatar: Avatar, start: Start) -> str:
    """The answer to `start`."""
    return dump(
        "started", **scene_of(avatar.manifest), session=session, epoch=0, output=start.output, format=start.format,
        patch=list(avatar.crops[0]),
    )  # fmt: skip
