"""Security headers: on every answer, and strict about scripts."""

import httpx
import pytest
from starlette.applications import Starlette

from gateway.doors.headers import add_headers, origin_of


async def headers_of(speech_url: str) -> httpx.Headers:
    """What an application that has no pages answers with."""
    app = add_headers(Starlette(), speech_url=speech_url)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1") as client:
        answer = await client.get("/nowhere")
    assert answer.status_code == 404
    return answer.headers


async def policy(speech_url: str) -> dict[str, str]:
    text = (await headers_of(speech_url))["content-security-policy"]
    return dict(part.split(" ", 1) for part in text.split("; "))


async def test_an_error_too_carries_the_headers() -> None:
    headers = await headers_of("https://api.openai.com")
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["permissions-policy"].startswith("microphone=(self)")


async def test_no_script_may_stand_in_a_page_and_none_come_from_elsewhere() -> None:
    found = await policy("https://api.openai.com")
    assert found["default-src"] == "'self'"
    assert "unsafe" not in str(found)


async def test_pages_may_call_the_speech_service_of_the_settings_and_no_other() -> None:
    assert (await policy("http://127.0.0.1:9000/base"))["connect-src"] == "'self' ws: wss: http://127.0.0.1:9000"


@pytest.mark.parametrize(
    ("url", "origin"),
    [("https://api.openai.com", "https://api.openai.com"), ("https://a.example:8443/v2/", "https://a.example:8443")],
)
def test_an_origin_is_a_url_without_its_path(url: str, origin: str) -> None:
    assert origin_of(url) == origin
