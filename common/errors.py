"""Every error of Lipstream, as one small tree.

    LipstreamError
    +-- InputError          what a client or user gave is wrong: field and limit are named
    |   +-- ProtocolError   a message breaks `lipstream.v1`
    |   +-- AudioError      a file or chunk is not usable audio
    +-- AvatarError         an avatar is unknown, or its package is broken or of a kind that is not supported
    +-- ProviderError       a requested ONNX Runtime provider is not there
    +-- SettingsError       the configuration is not valid
    +-- TaskError           a task cannot be done: `retryable` says whether another try may help
    +-- BusError            Redis is unreachable, full, or too old
    |   +-- AccessError     Redis does not let us in, or not do this
    +-- CapacityError       a limit of this installation is reached

The worker loop asks one thing of an error, `retryable`; the gateway one thing, `close_code`.
"""

from typing import Any


class LipstreamError(Exception):
    """Root of the tree.

    Attributes
    ----------
    code : the stable, machine-readable name that goes to clients.
    retryable : whether the same request may succeed later.
    close_code : the WebSocket close code, or None when the session goes on.
    """

    code: str = "internal"
    retryable: bool = False
    close_code: int | None = 1011

    def __init__(self, message: str, *, field: str | None = None, limit: Any = None) -> None:
        super().__init__(message)
        self.message = message
        self.field = field
        self.limit = limit

    def as_dict(self) -> dict[str, Any]:
        """The form in which clients see the error."""
        parts = {"code": self.code, "message": self.message, "field": self.field, "limit": self.limit}
        return {k: v for k, v in parts.items() if v is not None} | {"retryable": self.retryable}


class InputError(LipstreamError):
    """What a client or user gave is wrong; the session goes on."""

    code = "bad_input"
    close_code: int | None = None


class ProtocolError(InputError):
    """A message breaks the protocol."""

    code = "bad_message"


class AudioError(InputError):
    """A file or chunk is not usable audio."""

    code = "bad_audio"


class AvatarError(LipstreamError):
    """An avatar is unknown, broken, or of a kind that is not supported."""

    code = "bad_avatar"
    close_code = None


class ProviderError(LipstreamError):
    """A requested ONNX Runtime provider is not available; never replaced silently."""

    code = "provider_missing"


class SettingsError(LipstreamError):
    """The configuration is not valid."""

    code = "bad_settings"


class TaskError(LipstreamError):
    """A task cannot be done."""

    code = "task_failed"

    def __init__(self, message: str, *, retryable: bool = False) -> None:
        super().__init__(message)
        self.retryable = retryable


class BusError(LipstreamError):
    """Redis is unreachable, full, or too old."""

    code = "bus_unavailable"
    retryable = True
    close_code = 1013


class AccessError(BusError):
    """Redis does not let us in, or not do this: certificate, password or rights are not what it asks for.

    Another try may help once somebody has put that right, so a process that was let in before goes on trying.
    """


class CapacityError(LipstreamError):
    """A limit of this installation is reached; try again later."""

    code = "at_capacity"
    retryable = True
    close_code = 1013
