"""Takes the token out of a WebSocket's address before the server writes the address to its log."""

from typing import Final
from urllib.parse import parse_qsl, urlencode

from starlette.types import ASGIApp, Receive, Scope, Send

_KEY: Final = "lipstream.token"


def url_token(scope: Scope) -> str | None:
    """The token that stood in the address as `?token=`; browsers cannot set a WebSocket's headers."""
    token: str | None = scope.get(_KEY)
    return token


def hide_url_token(app: ASGIApp) -> ASGIApp:
    """Wrap an application; only WebSockets may carry a token in their address."""

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket" and b"token=" in scope["query_string"]:
            query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
            tokens = [value for name, value in query if name == "token"]
            # In place: the server logs from this very dictionary.
            scope["query_string"] = urlencode([pair for pair in query if pair[0] != "token"]).encode()
            scope[_KEY] = tokens[-1] if tokens else None
        await app(scope, receive, send)

    return wrapped
