"""What all connections of a gateway share."""

import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import version
from typing import Final

from common.avatars.package import Avatar
from common.background.queue import Jobs
from common.errors import CapacityError, InputError
from common.recording.store import Store, store_at
from common.settings import Settings
from gateway.admission import Admission
from gateway.bus import GatewayBus
from gateway.doors.caller import Caller
from gateway.doors.doors import Doors
from gateway.doors.errors import AvatarForbiddenError
from gateway.metrics import Metrics
from gateway.open_sessions import OpenSession

FPS: Final = 25
"""Of a session, while no avatar is offered that says otherwise."""


@dataclass(slots=True)
class Gateway:
    """One gateway process; `avatars` are those that it offers to new sessions."""

    settings: Settings
    avatars: dict[str, Avatar]
    bus: GatewayBus
    metrics: Metrics = field(default_factory=Metrics)
    sessions: dict[str, OpenSession] = field(default_factory=dict)
    doors: Doors = field(init=False)
    admission: Admission = field(init=False)
    recordings: Store = field(init=False)
    jobs: Jobs = field(init=False)

    def __post_init__(self) -> None:
        self.doors = Doors(self.settings)
        self.admission = Admission(self.settings)
        self.recordings = store_at(self.settings.recordings_url)
        self.jobs = Jobs(self.settings)

    @property
    def version(self) -> str:
        return _version()

    @property
    def fps(self) -> int:
        """Frames a second that a session which has yet to choose its avatar may ask for."""
        return max((avatar.manifest.fps for avatar in self.avatars.values()), default=FPS)

    @property
    def asked_fps(self) -> float:
        """Frames a second that the sessions here ask for: those that speak, and those that have just come."""
        now_s = time.monotonic()
        return float(sum(self._fps_of(opened) for opened in self.sessions.values() if opened.voice.counts(now_s)))

    @property
    def speaking(self) -> int:
        """Sessions here whose audio lasts until now."""
        now_s = time.monotonic()
        return sum(opened.voice.speaks(now_s) for opened in self.sessions.values())

    def check_room(self, *, resumed: bool = False) -> None:
        """Refuse one more session when there is no room; one that comes back is part of the load already.

        Raises
        ------
        OverloadError
            This gateway is full, or the workers have enough to do.
        """
        self.admission.check_places(len(self.sessions), resumed)
        if not resumed:
            self.admission.check_load(self.asked_fps, self.fps)

    def hear(self, session: str, audio_s: float) -> None:
        """So much audio of a session has come; those of earlier clients are named after their connection's."""
        self.metrics.audio_seconds.inc(audio_s)
        if opened := self.sessions.get(session.partition("-")[0]):
            opened.voice.hear(audio_s, time.monotonic())

    @contextlib.asynccontextmanager
    async def opened(self, session: str, caller: Caller, *, resumed: bool = False) -> AsyncIterator[None]:
        """Around the life of a session.

        Raises
        ------
        CapacityError, LimitError
            There is no room; the caller has reached a limit.
        SessionEndedError
            An operator has ended the session.
        """
        try:
            self.check_room(resumed=resumed)
            self.doors.admit(caller, [other.caller for other in self.sessions.values()])
        except CapacityError:
            self.metrics.refused.inc()
            raise
        self.sessions[session] = opened = OpenSession(caller)
        self.metrics.sessions.set(len(self.sessions))
        try:
            async with opened.until_ended():
                yield
        finally:
            # A client that comes back before its lost connection is noticed has another entry by now.
            if self.sessions.get(session) is opened:
                del self.sessions[session]
            self.metrics.sessions.set(len(self.sessions))

    def use(self, session: str, name: str) -> Avatar:
        """The avatar that a session asks for; from now on it counts as one that uses it.

        Raises
        ------
        InputError, AvatarForbiddenError
            The name is not offered here; the session's token is bound to another.
        """
        opened = self.sessions[session]
        avatar = self.offered(name, opened.caller)
        opened.avatar = name
        return avatar

    def offered(self, name: str, caller: Caller) -> Avatar:
        """The avatar of a name, for a caller.

        Raises
        ------
        InputError, AvatarForbiddenError
            As `use`.
        """
        if name not in self.avatars:
            raise InputError(f"unknown avatar '{name[:64]}'; known: {', '.join(self.avatars)}", field="avatar")
        if caller.avatar not in (None, name):
            raise AvatarForbiddenError(f"this token is for the avatar '{caller.avatar}'", field="avatar")
        return self.avatars[name]

    def _fps_of(self, opened: OpenSession) -> int:
        avatar = self.avatars.get(opened.avatar or "")
        return avatar.manifest.fps if avatar else self.fps

    def sessions_with(self, name: str) -> int:
        """Open sessions that use an avatar."""
        return sum(opened.avatar == name for opened in self.sessions.values())


@cache
def _version() -> str:
    return version("lipstream")
