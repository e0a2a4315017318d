"""Which machine, and which page."""

from typing import Any

import pytest

from gateway.doors.places import is_allowed_origin, is_local, is_loopback


def scope(host: str = "127.0.0.1:3000", client: str | None = "127.0.0.1", origin: str | None = None) -> dict[str, Any]:
    headers = [(b"host", host.encode())] + ([(b"origin", origin.encode())] if origin is not None else [])
    return {"type": "http", "headers": headers, "client": (client, 1) if client else None}


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1", "localhost", "a.LOCALHOST."])
def test_names_of_this_machine(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host", ["0.0.0.0", "::", "10.0.0.1", "example.com", "localhost.example.com", "", "::ffff:1.2.3.4"]
)
def test_names_of_others(host: str) -> None:
    assert not is_loopback(host)


@pytest.mark.parametrize(
    ("asked", "local"),
    [
        (scope(), True),
        (scope("localhost:3000"), True),
        (scope("[::1]:3000", "::1"), True),
        (scope(client="10.0.0.7"), False),
        (scope(client=None), False),
        (scope("evil.example:3000"), False),
        (scope("[::1"), False),
        (scope(""), False),
    ],
)
def test_local_is_who_comes_from_here_and_means_here(asked: dict[str, Any], local: bool) -> None:
    assert is_local(asked, ()) is local


def test_a_name_of_this_machine_may_be_allowed() -> None:
    assert is_local(scope("box.test:3000"), ("http://box.test:3000",))


@pytest.mark.parametrize(
    ("asked", "allowed"),
    [
        (scope(origin=None), True),
        (scope(origin="http://127.0.0.1:3000"), True),
        (scope("app.test", origin="https://app.test"), True),
        (scope("app.test", origin="https://app.test:443"), True),
        (scope("app.test:8443", origin="https://app.test"), False),
        (scope(origin="http://127.0.0.1:3001"), False),
        (scope(origin="http://localhost:3000"), False),
        (scope(origin="https://evil.example"), False),
        (scope(origin="null"), False),
        (scope(origin=""), False),
        (scope(origin="http://[::1"), False),
    ],
)
def test_only_the_gateways_own_pages_by_default(asked: dict[str, Any], allowed: bool) -> None:
    assert is_allowed_origin(asked, ()) is allowed


def test_other_origins_must_be_named_or_all_allowed() -> None:
    asked = scope(origin="https://App.example")
    assert is_allowed_origin(asked, ("https://app.example/",))
    assert is_allowed_origin(asked, ("*",))
    assert not is_allowed_origin(asked, ("https://other.example",))
