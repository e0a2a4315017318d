"""Session tokens: ours and in time, or refused."""

import base64
import hashlib
import hmac
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.doors.errors import UnauthorizedError
from gateway.doors.tokens import Claims, looks_signed, sign, verify

SECRET = "0123456789abcdef0123456789abcdef"
CLAIMS = Claims(sub="app", jti="one", exp=1_300, avatar="tiny", sessions=2)


def check(token: str, now_s: float = 1_000) -> Claims:
    return verify(token, SECRET, now_s=now_s, max_age_s=600)


def test_what_was_signed_comes_back() -> None:
    token = sign(CLAIMS, SECRET)
    assert looks_signed(token)
    assert check(token) == CLAIMS


def test_the_format_is_the_documented_one() -> None:
    claims = base64.urlsafe_b64encode(json.dumps({"sub": "app", "jti": "x", "exp": 1_300}).encode()).rstrip(b"=")
    body = b"ls1." + claims
    signature = base64.urlsafe_b64encode(hmac.new(SECRET.encode(), body, hashlib.sha256).digest()).rstrip(b"=")
    found = check((body + b"." + signature).decode())
    assert (found.sub, found.avatar, found.sessions) == ("app", None, 1)


def test_a_token_is_void_from_its_expiry_on() -> None:
    token = sign(CLAIMS, SECRET)
    check(token, now_s=1_299.9)
    with pytest.raises(UnauthorizedError, match="expired"):
        check(token, now_s=1_300)


def test_a_token_that_lives_too_long_is_refused() -> None:
    with pytest.raises(UnauthorizedError, match="session_token_max_s"):
        check(sign(CLAIMS, SECRET), now_s=699)


def test_another_secret_does_not_open() -> None:
    with pytest.raises(UnauthorizedError, match="signature"):
        check(sign(CLAIMS, "f" * 32))


@given(st.integers(0, 200), st.characters(codec="ascii"))
def test_no_changed_character_goes_unnoticed(place: int, character: str) -> None:
    token = sign(CLAIMS, SECRET)
    place %= len(token)
    changed = token[:place] + character + token[place + 1 :]
    if changed == token:
        return
    # The last character of base64 carries spare bits, so that another spelling of the same signature may exist.
    if place == len(token) - 1:
        return
    with pytest.raises(UnauthorizedError):
        check(changed)


@pytest.mark.parametrize("token", ["", "ls1", "ls1.", "ls1..", "ls1.é.é", "ls1." + "A" * 4_000 + ".AAAA"])
def test_rubbish_is_refused_like_any_other_token(token: str) -> None:
    with pytest.raises(UnauthorizedError):
        check(token)


def test_signed_rubbish_is_malformed() -> None:
    body = "ls1." + base64.urlsafe_b64encode(b'{"sub": 1}').rstrip(b"=").decode()
    signature = base64.urlsafe_b64encode(hmac.digest(SECRET.encode(), body.encode(), "sha256")).rstrip(b"=").decode()
    with pytest.raises(UnauthorizedError, match="malformed"):
        check(f"{body}.{signature}")
