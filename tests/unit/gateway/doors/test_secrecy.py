"""A token in an address goes no further than the doors."""

from typing import Any

import pytest
from starlette.types import Receive, Scope, Send

from gateway.doors.secrecy import hide_url_token, url_token


async def passed(kind: str, query: bytes) -> dict[str, Any]:
    seen: list[Scope] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope)

    scope = {"type": kind, "query_string": query}
    await hide_url_token(app)(scope, None, None)  # type: ignore[arg-type]
    assert seen[0] is scope
    return scope


@pytest.mark.parametrize(
    ("query", "token", "rest"),
    [
        (b"token=abc", "abc", b""),
        (b"a=1&token=abc%2Ed&b=", "abc.d", b"a=1&b="),
        (b"token=one&token=two", "two", b""),
        (b"a=1", None, b"a=1"),
    ],
)
async def test_the_token_is_taken_out_of_a_websockets_address(query: bytes, token: str | None, rest: bytes) -> None:
    scope = await passed("websocket", query)
    assert (url_token(scope), scope["query_string"]) == (token, rest)


async def test_plain_requests_cannot_carry_a_token_in_their_address() -> None:
    scope = await passed("http", b"token=abc")
    assert url_token(scope) is None
