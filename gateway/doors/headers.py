"""Security headers on every answer."""

from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

CONTENT_SECURITY_POLICY: Final = (
    "default-src 'self'",
    "img-src 'self' blob: data:",
    "media-src 'self' blob:",
    "worker-src 'self' blob:",
    "object-src 'none'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'self'",
)
HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "microphone=(self), camera=(), geolocation=()",
    "Cross-Origin-Opener-Policy": "same-origin",
}


def add_headers(app: ASGIApp, *, speech_url: str) -> ASGIApp:
    """Wrap an application; its pages may call `speech_url`, the speech service, beside the gateway itself."""
    connect = f"connect-src 'self' ws: wss: {origin_of(speech_url)}"
    headers = HEADERS | {"Content-Security-Policy": "; ".join((*CONTENT_SECURITY_POLICY, connect))}

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] in ("http.response.start", "websocket.http.response.start"):
                MutableHeaders(scope=message).update(headers)
            await send(message)

        await app(scope, receive, send_with_headers if scope["type"] == "http" else send)

    return wrapped


def origin_of(url: str) -> str:
    """Scheme, host and port, which is all that a policy may name."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
