"""Admission: recognises callers and holds them to their limits.

With neither `api_keys` nor `session_secret` only this machine is served, without a key. With either, sessions need a
key or a token. `open_to_all` waives that for sessions; managing the gateway still takes a key, or this machine.
"""

import time
from collections.abc import Collection
from dataclasses import dataclass, field

from starlette.requests import HTTPConnection
from starlette.types import Scope

from common.errors import SettingsError
from common.settings import Settings
from gateway.doors import places, tokens
from gateway.doors.buckets import Buckets
from gateway.doors.caller import Caller
from gateway.doors.errors import ForbiddenError, LimitError, UnauthorizedError
from gateway.doors.keys import name_of
from gateway.doors.secrecy import url_token

SESSION_RETRY_S = 5.0


@dataclass(slots=True)
class Doors:
    """The doors of one gateway."""

    settings: Settings
    _starts: Buckets = field(init=False)

    def __post_init__(self) -> None:
        per_minute = self.settings.starts_per_minute
        self._starts = Buckets(per_minute, per_minute / 60)

    @property
    def has_keys(self) -> bool:
        return bool(self.settings.api_keys) or self.settings.session_secret is not None

    @property
    def needs_token(self) -> bool:
        """Whether a session takes a key or token; `hello` says so."""
        return self.has_keys and not self.settings.open_to_all

    def check_place(self, scope: Scope) -> None:
        """Refuse other machines while only this one is served.

        Raises
        ------
        ForbiddenError
            The request comes from another machine, or was meant for another name.
        """
        if not self.has_keys and not self.settings.open_to_all and not self._is_local(scope):
            raise ForbiddenError(
                "this gateway has no keys and so serves only its own machine, by the name of localhost; "
                "set LIPSTREAM_API_KEYS, or LIPSTREAM_OPEN_TO_ALL=true",
                field="host",
            )

    def recognise(self, connection: HTTPConnection) -> Caller | None:
        """Who is behind a request; None when a key or token is needed and none was shown.

        Raises
        ------
        ForbiddenError
            The web page or the machine that asks may not.
        UnauthorizedError
            A key or token was shown and is not valid.
        """
        self.check_place(connection.scope)
        if not places.is_allowed_origin(connection.scope, self.settings.allowed_origins):
            origin = connection.headers["origin"][:200]
            message = f"pages of {origin} may not use this gateway; add the origin to LIPSTREAM_ALLOWED_ORIGINS"
            raise ForbiddenError(message, field="origin")
        credential = _bearer(connection) or url_token(connection.scope)
        if self.has_keys and credential:
            return self.caller_of(credential)
        if self.needs_token:
            return None
        local = self._is_local(connection.scope)
        address = connection.client.host if connection.client else "unknown"
        return Caller(f"address:{address}", admin=local and not self.settings.api_keys, limited=not local)

    def caller_of(self, credential: str) -> Caller:
        """Whose key or token that is.

        Raises
        ------
        UnauthorizedError
            It is not valid.
        """
        settings = self.settings
        if settings.session_secret is not None and tokens.looks_signed(credential):
            secret, now_s = settings.session_secret.get_secret_value(), time.time()
            claims = tokens.verify(credential, secret, now_s=now_s, max_age_s=settings.session_token_max_s)
            return Caller(claims.sub, avatar=claims.avatar, token=claims.jti, token_sessions=claims.sessions)
        if (name := name_of(credential, settings.api_keys)) is None:
            raise UnauthorizedError("the key or token is not valid", field="token")
        return Caller(name, admin=True)

    def count_start(self, caller: Caller) -> None:
        """Count a beginning against the caller's rate.

        Raises
        ------
        LimitError
            `starts_per_minute` is reached.
        """
        if caller.limited and (wait_s := self._starts.take(caller.name, time.monotonic())):
            limit = self.settings.starts_per_minute
            message = f"more than {limit} starts a minute; wait {wait_s:.1f} s"
            raise LimitError(message, field="starts_per_minute", limit=limit, retry_after_s=wait_s)

    def admit(self, caller: Caller, present: Collection[Caller]) -> None:
        """Let a caller open one more session beside those that are `present`.

        Raises
        ------
        LimitError
            The key, or the token, has as many sessions open as it may, or begins them too fast.
        """
        if caller.limited:
            same_key = sum(other.name == caller.name for other in present)
            _check_sessions("sessions_per_key", same_key, self.settings.sessions_per_key)
        if caller.token is not None:
            same_token = sum(other.token == caller.token for other in present)
            _check_sessions("sessions", same_token, caller.token_sessions)
        self.count_start(caller)

    def _is_local(self, scope: Scope) -> bool:
        return places.is_local(scope, self.settings.allowed_origins)


def check(settings: Settings) -> None:
    """Refuse to listen to the world without a key.

    Raises
    ------
    SettingsError
        The address is reachable from elsewhere, there is no key, and nobody said that this is meant.
    """
    has_keys = settings.api_keys or settings.session_secret is not None
    if not (has_keys or settings.open_to_all or places.is_loopback(settings.host)):
        raise SettingsError(
            f"host {settings.host} is reachable from other machines and there is no key: set "
            "LIPSTREAM_API_KEYS=name:secret (or LIPSTREAM_SESSION_SECRET), or LIPSTREAM_OPEN_TO_ALL=true if everybody "
            "may open sessions",
            field="host",
        )


def _bearer(connection: HTTPConnection) -> str | None:
    scheme, _, credential = connection.headers.get("authorization", "").partition(" ")
    return credential.strip() or None if scheme.lower() == "bearer" else None


def _check_sessions(field_name: str, count: int, limit: int) -> None:
    if count >= limit:
        message = f"{count} sessions are open and no more than {limit} may be"
        raise LimitError(message, field=field_name, limit=limit, retry_after_s=SESSION_RETRY_S)
