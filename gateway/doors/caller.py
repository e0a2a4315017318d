"""Who is asking."""

from typing import NamedTuple


class Caller(NamedTuple):
    """Somebody whom the doors have recognised.

    Attributes
    ----------
    name : whose limits apply: a key's name, or `address:<ip>` of one without a key.
    admin : whether the whole gateway may be managed, not only sessions be opened.
    limited : whether the limits of a key apply.
    avatar : the only avatar that may be used; None: any.
    token, token_sessions : the session token that was shown, and how many sessions it may have open at once.
    """

    name: str
    admin: bool = False
    limited: bool = True
    avatar: str | None = None
    token: str | None = None
    token_sessions: int = 0
