"""The tokens with which a client resumes its session: signed, for one session, for a time."""

from typing import Final, Self

from pydantic import BaseModel, ConfigDict

from gateway.doors.caller import Caller
from gateway.doors.errors import UnauthorizedError
from gateway.doors.tokens import seal, unseal

PREFIX: Final = "lsr1"


class Ticket(BaseModel):
    """What such a token says: which session, until when (Unix seconds), and who opened it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    session: str
    exp: float
    name: str
    admin: bool
    limited: bool
    avatar: str | None = None
    token: str | None = None
    token_sessions: int = 0

    @classmethod
    def of(cls, session: str, caller: Caller, exp: float) -> Self:
        return cls(session=session, exp=exp, **caller._asdict())

    @property
    def caller(self) -> Caller:
        return Caller(**self.model_dump(exclude={"session", "exp"}))


def sign(ticket: Ticket, secret: str) -> str:
    """The token that carries the ticket."""
    return seal(PREFIX, ticket, secret)


def verify(token: str, secret: str, *, now_s: float) -> Ticket:
    """The ticket of a token that is ours and still valid.

    Raises
    ------
    UnauthorizedError
        It is malformed, was signed by another installation, or has expired.
    """
    ticket = unseal(PREFIX, token, secret, Ticket)
    if ticket.exp <= now_s:
        raise UnauthorizedError("the resume token has expired; start another session", field="token")
    return ticket
