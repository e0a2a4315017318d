"""What the doors say when they stay shut."""

import math
from typing import Any

from common.errors import CapacityError, InputError, LipstreamError


class UnauthorizedError(LipstreamError):
    """No key or token where one is needed, or one that is not valid."""

    code = "unauthorized"
    close_code = 1008


class ForbiddenError(LipstreamError):
    """The caller is known, or need not be, and may still not do this."""

    code = "forbidden"
    close_code = 1008


class AvatarForbiddenError(InputError):
    """The caller's token is bound to another avatar; the session goes on."""

    code = "forbidden"


class LimitError(CapacityError):
    """A limit of one caller is reached.

    Attributes
    ----------
    retry_after_s : seconds until another try may succeed, at least 1.
    """

    code = "limit_reached"

    def __init__(self, message: str, *, field: str, limit: Any, retry_after_s: float) -> None:
        super().__init__(message, field=field, limit=limit)
        self.retry_after_s = max(1, math.ceil(retry_after_s))
