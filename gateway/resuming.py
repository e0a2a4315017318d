"""A client comes back: the session is taken over from the gateway that had it, and made ready to go on here."""

import asyncio
import time
from typing import Final

from common import sessions
from common.records import Stored
from gateway.context import Gateway
from gateway.doors.caller import Caller
from gateway.doors.errors import UnauthorizedError
from gateway.doors.resume_tokens import Ticket, sign, verify
from gateway.messages import Resume
from gateway.opening import ResumeTicket
from gateway.revival import ResumeError, Revival, revive

HAND_OVER_S: Final = 0.2
"""A gateway that lives lets go within milliseconds; one that does not is not waited for."""
_POLL_S: Final = 0.005


async def ticket_for(gateway: Gateway, session: str, caller: Caller) -> ResumeTicket:
    """With what the client of a session may come back."""
    ticket = Ticket.of(session, caller, time.time() + gateway.settings.resume_token_s)
    return ResumeTicket(sign(ticket, await gateway.bus.secret()), gateway.settings.resume_s)


async def identify(gateway: Gateway, resume: Resume) -> Ticket:
    """Whose session is to be resumed.

    Raises
    ------
    ResumeError
        The token is not valid.
    """
    secret = await gateway.bus.secret()
    try:
        return verify(resume.token, secret, now_s=time.time())
    except UnauthorizedError as error:
        raise ResumeError(error.message, field="token") from error


async def take_over(gateway: Gateway, session: str) -> None:
    """Make the session this gateway's; whoever had it lets go.

    Raises
    ------
    ResumeError
        It has ended, or has waited for too long.
    """
    bus, ttl_s = gateway.bus, gateway.settings.session_ttl_s
    before = await sessions.holder(bus.redis, session)
    if before is None:
        raise ResumeError("this session has ended; start another", field="token")
    if before.state != sessions.AWAY:
        await sessions.take_over(bus.redis, session, bus.gateway_id, sessions.MOVING, ttl_s=ttl_s)
        await bus.tell_moved(session, before.gateway)
        await _let_go(gateway, session)
    await sessions.take_over(bus.redis, session, bus.gateway_id, sessions.OPEN, ttl_s=ttl_s)


async def _let_go(gateway: Gateway, session: str) -> None:
    """Wait until the other connection has parted with the session, or is likely dead."""
    give_up_s = time.monotonic() + HAND_OVER_S
    while time.monotonic() < give_up_s:
        holder = await sessions.holder(gateway.bus.redis, session)
        if holder is None or holder.state == sessions.AWAY:
            return
        await asyncio.sleep(_POLL_S)


async def find(gateway: Gateway, session: str) -> Stored:
    """What Redis holds of the session.

    Raises
    ------
    ResumeError
        Nothing.
    """
    stored = await sessions.stored(gateway.bus.redis, session)
    if stored is None:
        raise ResumeError("this session has ended; start another", field="token")
    return stored


def revival_of(gateway: Gateway, stored: Stored, resume: Resume) -> Revival:
    """The state in which the session goes on.

    Raises
    ------
    ResumeError
        The client lacks frames that can no longer be made, or the avatar is not offered here.
    """
    manifests = {name: avatar.manifest for name, avatar in gateway.avatars.items()}
    revival = revive(stored, manifests, resume.last_frame, resume.epoch)
    is_idle = not revival.outstanding and stored.record.idle == "server"
    return revival._replace(position=resume.template + 1) if is_idle and resume.template is not None else revival
