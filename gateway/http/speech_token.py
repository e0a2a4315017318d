"""`/token`: an ephemeral secret of the OpenAI Realtime API, so that browsers can use it without the server's key."""

import re
from collections.abc import Mapping
from typing import Any, Final

import httpx
from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.responses import JSONResponse, Response

from common.errors import SettingsError
from common.settings import Settings
from gateway.http.endpoint import Call, Endpoint
from gateway.http.errors import UpstreamError, UpstreamTimeoutError

PATH: Final = "/v1/realtime/client_secrets"
LIFE_S: Final = 600
AUDIO: Final = {"type": "audio/pcm", "rate": 24_000}
_CODE: Final = re.compile(r"^[a-z0-9_.-]{1,64}$")


class Secret(BaseModel):
    value: str
    expires_at: int


class SpeechToken(Secret):
    """The service's own answer, and once more as `client_secret`, where earlier clients look."""

    model_config = ConfigDict(extra="allow")

    client_secret: Secret


def request_body(settings: Settings) -> dict[str, Any]:
    """The session that the secret opens: speech in and out, PCM16 at 24 kHz, the service hears the turns."""
    instructions = {"instructions": settings.openai_instructions} if settings.openai_instructions else {}
    return {
        "expires_after": {"anchor": "created_at", "seconds": LIFE_S},
        "session": {
            "type": "realtime",
            "model": settings.openai_model,
            "output_modalities": ["audio"],
            "audio": {
                "input": {"format": AUDIO, "turn_detection": {"type": "server_vad", "interrupt_response": True}},
                "output": {"format": AUDIO, "voice": settings.openai_voice},
            },
            **instructions,
        },
    }


async def ask(settings: Settings, client: httpx.AsyncClient) -> Mapping[str, Any]:
    """The service's answer.

    Raises
    ------
    SettingsError
        There is no key.
    UpstreamError, UpstreamTimeoutError
        The service refuses, fails, is silent, or says what is no secret. Its own words are not passed on: they may
        quote the key.
    """
    if settings.openai_api_key is None:
        raise SettingsError("no key for the speech service: set LIPSTREAM_OPENAI_API_KEY", field="openai_api_key")
    try:
        reply = await client.post(
            settings.openai_base_url.rstrip("/") + PATH,
            json=request_body(settings),
            headers={"Authorization": f"Bearer {settings.openai_api_key.get_secret_value()}"},
            timeout=settings.openai_timeout_s,
        )
    except httpx.TimeoutException:
        message = f"the speech service did not answer within {settings.openai_timeout_s:g} s"
        raise UpstreamTimeoutError(message, upstream_status=None, retryable=True) from None
    except httpx.HTTPError as error:
        message = f"cannot reach the speech service: {type(error).__name__}"
        raise UpstreamError(message, upstream_status=None, retryable=True) from None
    content = _content(reply)
    if not reply.is_success:
        raise _refusal(reply.status_code, content)
    try:
        Secret.model_validate(content)
    except ValidationError:
        message = "the speech service's answer has no `value` and `expires_at`"
        raise UpstreamError(message, upstream_status=reply.status_code, retryable=False) from None
    return content


def _content(reply: httpx.Response) -> dict[str, Any]:
    try:
        content = reply.json()
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def _refusal(status: int, content: Mapping[str, Any]) -> UpstreamError:
    fault = content.get("error")
    code = fault.get("code") if isinstance(fault, dict) else None
    why = f" ({code})" if isinstance(code, str) and _CODE.match(code) else ""
    retryable = status == 429 or status >= 500
    return UpstreamError(f"the speech service answered {status}{why}", upstream_status=status, retryable=retryable)


async def _token(call: Call) -> Response:
    if call.caller is not None:
        call.gateway.doors.count_start(call.caller)
    content = await ask(call.gateway.settings, call.request.app.state.http_client)
    secret = {"client_secret": {"value": content["value"], "expires_at": content["expires_at"]}}
    return JSONResponse({**content, **secret}, headers={"Cache-Control": "no-store"})


ENDPOINTS = (
    Endpoint("/token", _token, "An ephemeral secret of the speech service.", SpeechToken, ("GET", "POST")),
)  # fmt: skip
