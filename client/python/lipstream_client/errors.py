"""The one error of the client."""

from typing import Any


class LipstreamClientError(Exception):
    """The server refused something, or it cannot be reached or understood.

    Attributes
    ----------
    code : the server's code (`bad_audio`, `bad_avatar`, `at_capacity`, ...), or one of the client's own: `unreachable`,
        `untrusted` (its certificate), `refused` (the handshake), `closed` (the connection ended too early),
        `session_lost` (and the session could not be resumed), `bad_frame`, `bad_message`.
    message : what happened, in words.
    field, limit : what was wrong and which bound it broke, where that applies.
    retryable : whether the same may succeed later.
    close_code : with which the server closed, where it did.
    """

    def __init__(
        self,
        code: str,
        message: str,
        field: str | None = None,
        limit: Any = None,
        *,
        retryable: bool = False,
        close_code: int | None = None,
    ) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.field = field
        self.limit = limit
        self.retryable = retryable
        self.close_code = close_code
