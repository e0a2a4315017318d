"""The sessions that this gateway has open, from admission to the end."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from common.errors import LipstreamError
from gateway.doors.caller import Caller
from gateway.voice import Voice


class SessionEndedError(LipstreamError):
    """Somebody who manages the gateway has ended the session."""

    code = "session_ended"
    close_code = 1008


class SessionMovedError(LipstreamError):
    """The session's client has come back over another connection."""

    code = "session_moved"
    close_code = 1008


class SessionLostError(LipstreamError):
    """Redis has lost what it knew of the session; its client resumes it, and says again what did not come back."""

    code = "session_lost"
    retryable = True
    close_code = 1012


@dataclass(slots=True)
class OpenSession:
    """One of them; `avatar` is None until it has started."""

    caller: Caller
    avatar: str | None = None
    opened_s: float = field(default_factory=time.time)
    voice: Voice = field(default_factory=lambda: Voice(time.monotonic()))
    _scope: asyncio.Timeout = field(default_factory=lambda: asyncio.timeout(None))

    @contextlib.asynccontextmanager
    async def until_ended(self) -> AsyncIterator[None]:
        """Around the session's work.

        Raises
        ------
        SessionEndedError
            `end` was called.
        """
        try:
            async with self._scope:
                yield
        except TimeoutError as error:
            if self._scope.expired():
                raise SessionEndedError("the session was ended by an operator") from error
            raise

    def end(self) -> None:
        """Interrupt the session's work."""
        self._scope.reschedule(asyncio.get_running_loop().time())
