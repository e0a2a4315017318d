"""Signed session tokens: `ls1.<claims>.<signature>`.

`claims` is a JSON object (see `Claims`), `signature` the HMAC-SHA256 of `ls1.<claims>` under `session_secret`; both in
base64url without padding. Any backend that knows the secret can sign them, in a few lines of any language.
"""

import base64
import hashlib
import hmac
from typing import Final, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from common.contracts import NAME_PATTERN
from gateway.doors.errors import UnauthorizedError

_Claims = TypeVar("_Claims", bound=BaseModel)
PREFIX: Final = "ls1"
TOKEN_MAX_CHARS: Final = 2_048


class Claims(BaseModel):
    """What a token says."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sub: str = Field(pattern=NAME_PATTERN, description="whose limits apply: the name of the key that asked for it")
    jti: str = Field(min_length=1, max_length=64, description="tells this token from others")
    exp: int = Field(ge=0, description="Unix seconds from which on it is void")
    avatar: str | None = Field(None, pattern=NAME_PATTERN, description="the only avatar that it opens; null: any")
    sessions: int = Field(1, ge=1, le=1_000, description="sessions that it may have open at once")


def sign(claims: Claims, secret: str) -> str:
    """The token that carries the claims."""
    return seal(PREFIX, claims, secret)


def looks_signed(credential: str) -> bool:
    """Whether it is written as a token is, rather than as a key."""
    return credential.startswith(f"{PREFIX}.")


def verify(token: str, secret: str, *, now_s: float, max_age_s: float) -> Claims:
    """The claims of a token that is ours and still valid.

    Raises
    ------
    UnauthorizedError
        Malformed, signed with another secret, expired, or made to live longer than `max_age_s` from now.
    """
    claims = unseal(PREFIX, token, secret, Claims)
    if claims.exp <= now_s:
        raise UnauthorizedError("the session token has expired; ask for another", field="token")
    if claims.exp > now_s + max_age_s:
        message = f"the session token lives longer than {max_age_s:.0f} s (session_token_max_s)"
        raise UnauthorizedError(message, field="token", limit=max_age_s)
    return claims


def seal(prefix: str, claims: BaseModel, secret: str) -> str:
    """`<prefix>.<claims>.<signature>`."""
    body = f"{prefix}.{_encode(claims.model_dump_json(exclude_none=True).encode())}"
    return f"{body}.{_encode(_signature(body, secret))}"


def unseal(prefix: str, token: str, secret: str, kind: type[_Claims]) -> _Claims:
    """What a sealed token says.

    Raises
    ------
    UnauthorizedError
        It is malformed, of another kind, or was sealed with another secret.
    """
    body, _, signature = token.rpartition(".")
    try:
        given = _decode(signature)
        if len(token) > TOKEN_MAX_CHARS or not hmac.compare_digest(given, _signature(body, secret)):
            raise UnauthorizedError("the token's signature is not valid", field="token")
        name, _, content = body.partition(".")
        if name != prefix:
            raise UnauthorizedError("this is a token for something else", field="token")
        return kind.model_validate_json(_decode(content))
    except ValueError:
        raise UnauthorizedError("the token is malformed", field="token") from None


def _signature(body: str, secret: str) -> bytes:
    return hmac.digest(secret.encode(), body.encode(), hashlib.sha256)


def _encode(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
