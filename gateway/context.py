"""What all connections of a gateway share."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from importlib.metadata import version

from common.avatars.package import Avatar
from common.errors import CapacityError, InputError
from common.settings import Settings
from gateway.bus import GatewayBus
from gateway.doors.caller import Caller
from gateway.doors.doors import Doors
from gateway.doors.errors import AvatarForbiddenError
from gateway.metrics import Metrics
from gateway.open_sessions import OpenSession


@dataclass(slots=True)
class Gateway:
    """One gateway process; `avatars` are those that it offers to new sessions."""

    settings: Settings
    avatars: dict[str, Avatar]
    bus: GatewayBus
    metrics: Metrics = field(default_factory=Metrics)
    sessions: dict[str, OpenSession] = field(default_factory=dict)
    doors: Doors = field(init=False)

    def __post_init__(self) -> None:
        self.doors = Doors(self.settings)

    @property
    def version(self) -> str:
        return version("lipstream")

    @property
    def is_full(self) -> bool:
        return len(self.sessions) >= self.settings.max_sessions

    @contextlib.asynccontextmanager
    async def opened(self, session: str, caller: Caller) -> AsyncIterator[None]:
        """Around the life of a session.

        Raises
        ------
        CapacityError, LimitError
            The gateway is full; the caller has reached a limit.
        SessionEndedError
            An operator has ended the session.
        """
        try:
            if self.is_full:
                raise CapacityError("this gateway is full; try again later", limit=self.settings.max_sessions)
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
        if name not in self.avatars:
            raise InputError(f"unknown avatar '{name[:64]}'; known: {', '.join(self.avatars)}", field="avatar")
        if opened.caller.avatar not in (None, name):
            raise AvatarForbiddenError(f"this token is for the avatar '{opened.caller.avatar}'", field="avatar")
        opened.avatar = name
        return self.avatars[name]

    def sessions_with(self, name: str) -> int:
        """Open sessions that use an avatar."""
        return sum(opened.avatar == name for opened in self.sessions.values())
