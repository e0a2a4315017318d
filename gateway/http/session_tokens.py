"""Session tokens for callers with an API key: what a backend hands to its browsers."""

import time
import uuid

from pydantic import BaseModel, ConfigDict, Field

from common.contracts import NAME_PATTERN
from common.errors import InputError, SettingsError
from gateway.doors import tokens
from gateway.doors.errors import ForbiddenError
from gateway.http.endpoint import Access, Call, Endpoint, read_body
from gateway.http.files import unknown

DEFAULT_S = 300


class TokenRequest(BaseModel):
    model_config = ConfigDict(extra="forbid")

    avatar: str | None = Field(None, pattern=NAME_PATTERN, description="the only avatar that it opens; null: any")
    sessions: int = Field(1, ge=1, le=1_000, description="sessions that it may have open at once")
    expires_in_s: int = Field(DEFAULT_S, ge=1, description="at most the setting session_token_max_s")


class TokenAnswer(BaseModel):
    token: str
    expires_at: int = Field(description="Unix seconds")


async def _issue(call: Call) -> TokenAnswer:
    settings, caller = call.gateway.settings, call.caller
    if settings.session_secret is None:
        raise SettingsError("set LIPSTREAM_SESSION_SECRET (32 characters or more), the key that signs session tokens")
    if caller is None or caller.name not in settings.api_keys:
        raise ForbiddenError("session tokens are made for API keys; set LIPSTREAM_API_KEYS and show one")
    request = await read_body(TokenRequest, call.request)
    if request.expires_in_s > settings.session_token_max_s:
        limit = settings.session_token_max_s
        raise InputError(f"expires_in_s: at most {limit}", field="expires_in_s", limit=limit)
    if request.avatar is not None and request.avatar not in call.gateway.avatars:
        raise unknown(list(call.gateway.avatars))
    expires_at = int(time.time()) + request.expires_in_s
    claims = tokens.Claims(
        sub=caller.name, jti=uuid.uuid4().hex, exp=expires_at, avatar=request.avatar, sessions=request.sessions
    )
    return TokenAnswer(token=tokens.sign(claims, settings.session_secret.get_secret_value()), expires_at=expires_at)


ENDPOINTS = (
    Endpoint("/api/session-tokens", _issue, "A short-lived token for a browser.", TokenAnswer, ("POST",), Access.ADMIN,
             body=TokenRequest),
)  # fmt: skip
