"""Opening and closing the WebSocket, and what its errors mean."""

import asyncio
import ssl
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import websockets
from websockets.asyncio.client import ClientConnection

from lipstream_client.errors import LipstreamClientError

_CLOSE_TIMEOUT_S: Final = 2.0
"""A lossless server that waits for its frames to be read may be slow to hear that they will not be."""


async def open_socket(url: str, options: Mapping[str, Any]) -> ClientConnection:
    """Connect.

    Raises
    ------
    LipstreamClientError
        `unreachable`, `untrusted` or `refused`.
    """
    try:
        return await websockets.connect(_with_path(url), **options)
    except ssl.SSLCertVerificationError as error:  # a ValueError too
        remedy = "name the authority of its certificate as ca_file"
        raise LipstreamClientError("untrusted", f"{url}: {error.verify_message}; {remedy}", "url") from error
    except (websockets.InvalidURI, ValueError) as error:
        raise LipstreamClientError("unreachable", f"{url} is not a ws:// or wss:// address", "url") from error
    except websockets.InvalidHandshake as error:
        raise _refused(url, error) from error
    except (OSError, TimeoutError) as error:
        raise LipstreamClientError("unreachable", f"cannot reach {url}: {error}", "url", retryable=True) from error


def trusting(ca_file: str | Path) -> ssl.SSLContext:
    """What trusts the authorities in a PEM file and no others.

    Raises
    ------
    LipstreamClientError
        `untrusted`: the file cannot be read, or holds none.
    """
    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError as error:  # that of TLS is one too
        raise LipstreamClientError("untrusted", f"{ca_file} is no PEM of an authority: {error}", "ca_file") from error


async def close(socket: ClientConnection) -> None:
    """Close; give up on a server that does not read."""
    closing = asyncio.create_task(socket.close())
    try:
        async with asyncio.timeout(_CLOSE_TIMEOUT_S):
            # What is still on its way is thrown away: unread, it would keep the server's goodbye from arriving.
            with suppress(websockets.ConnectionClosed):
                async for _ in socket:
                    pass
            await closing
    except TimeoutError:
        socket.transport.abort()
    await asyncio.gather(closing, return_exceptions=True)


def closed(error: websockets.ConnectionClosed) -> LipstreamClientError:
    """What a connection's end means."""
    code = error.rcvd.code if error.rcvd else None
    reason = error.rcvd.reason if error.rcvd and error.rcvd.reason else "the connection was lost"
    retryable = code in (None, 1001, 1012, 1013)
    return LipstreamClientError("closed", f"{reason} (close code {code})", retryable=retryable, close_code=code)


def _with_path(url: str) -> str:
    parts = urlsplit(url)
    return parts._replace(path="/ws").geturl() if parts.path in ("", "/") else url


def _refused(url: str, error: websockets.InvalidHandshake) -> LipstreamClientError:
    if not isinstance(error, websockets.InvalidStatus):
        # One that dies in the middle of a handshake says nothing at all.
        gone = isinstance(error, websockets.InvalidMessage)
        return LipstreamClientError("refused", f"{url} is no Lipstream gateway: {error}", "url", retryable=gone)
    body = (error.response.body or b"").decode(errors="replace").strip()[:200]
    status = error.response.status_code
    message = f"{url} answered HTTP {status}" + (f": {body}" if body else "")
    return LipstreamClientError("refused", message, "url", retryable=status == 503)
