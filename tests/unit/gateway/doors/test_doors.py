"""Who is recognised, and held to which limit."""

import time
from typing import Any

import pytest
from starlette.requests import HTTPConnection

from common.errors import SettingsError
from common.settings import Settings
from gateway.doors.caller import Caller
from gateway.doors.doors import Doors, check
from gateway.doors.errors import ForbiddenError, LimitError, UnauthorizedError
from gateway.doors.tokens import Claims, sign

KEY, SECRET = "app-secret-app-secret", "0123456789abcdef0123456789abcdef"
LOCKED = {"api_keys": f"app:{KEY}", "session_secret": SECRET}


def doors(**changes: Any) -> Doors:
    return Doors(Settings(**changes))


def asking(client: str = "127.0.0.1", host: str = "127.0.0.1:3000", **headers: str) -> HTTPConnection:
    sent = {"host": host, **headers}
    raw = [(name.encode(), value.encode()) for name, value in sent.items()]
    return HTTPConnection({"type": "http", "headers": raw, "client": (client, 1)})


def bearer(credential: str, **place: str) -> HTTPConnection:
    return asking(authorization=f"Bearer {credential}", **place)


def token(**changes: Any) -> str:
    claims = {"sub": "app", "jti": "one", "exp": int(time.time()) + 60} | changes
    return sign(Claims(**claims), SECRET)


def test_without_keys_this_machine_may_do_all_and_has_no_limits() -> None:
    caller = doors().recognise(asking())
    assert caller == Caller("address:127.0.0.1", admin=True, limited=False)


@pytest.mark.parametrize("place", [{"client": "10.0.0.9"}, {"host": "evil.example"}])
def test_without_keys_nobody_else_is_served(place: dict[str, str]) -> None:
    with pytest.raises(ForbiddenError, match="LIPSTREAM_API_KEYS"):
        doors().recognise(asking(**place))


def test_open_to_all_serves_strangers_with_limits_and_lets_them_manage_nothing() -> None:
    caller = doors(open_to_all=True).recognise(asking(client="10.0.0.9", host="any.example"))
    assert caller == Caller("address:10.0.0.9", admin=False, limited=True)


def test_a_foreign_name_for_this_machine_makes_no_administrator() -> None:
    caller = doors(open_to_all=True).recognise(asking(host="evil.example"))
    assert caller is not None
    assert not caller.admin


def test_with_keys_a_key_is_needed_even_on_this_machine() -> None:
    locked = doors(**LOCKED)
    assert locked.needs_token
    assert locked.recognise(asking()) is None
    assert locked.recognise(bearer(KEY, client="10.0.0.9", host="any.example")) == Caller("app", admin=True)


@pytest.mark.parametrize("credential", ["wrong", KEY + "x", KEY[:-1], "ls1.a.b"])
def test_a_wrong_key_is_refused_rather_than_ignored(credential: str) -> None:
    with pytest.raises(UnauthorizedError):
        doors(**LOCKED).recognise(bearer(credential))


def test_with_keys_and_open_to_all_a_wrong_key_is_still_wrong() -> None:
    both = doors(**LOCKED, open_to_all=True)
    assert both.recognise(asking(client="10.0.0.9")) is not None
    with pytest.raises(UnauthorizedError):
        both.recognise(bearer("wrong"))


def test_a_session_token_opens_sessions_and_manages_nothing() -> None:
    caller = doors(**LOCKED).recognise(bearer(token(avatar="tiny", sessions=2)))
    assert caller == Caller("app", admin=False, avatar="tiny", token="one", token_sessions=2)


def test_a_token_that_lives_longer_than_the_setting_allows_is_refused() -> None:
    with pytest.raises(UnauthorizedError, match="session_token_max_s"):
        doors(**LOCKED, session_token_max_s=30).recognise(bearer(token()))


def test_other_authorization_schemes_are_none_of_ours() -> None:
    assert doors(**LOCKED).recognise(asking(authorization=f"Basic {KEY}")) is None


def test_a_foreign_page_is_refused_whatever_it_shows() -> None:
    with pytest.raises(ForbiddenError, match="LIPSTREAM_ALLOWED_ORIGINS"):
        doors(**LOCKED).recognise(asking(authorization=f"Bearer {KEY}", origin="https://evil.example"))
    allowed = doors(**LOCKED, allowed_origins="https://good.example, https://fine.example")
    assert allowed.recognise(asking(authorization=f"Bearer {KEY}", origin="https://fine.example")) is not None


def test_a_key_may_have_so_many_sessions_open() -> None:
    two, caller = doors(**LOCKED, sessions_per_key=2), Caller("app")
    two.admit(caller, [caller, Caller("other")])
    with pytest.raises(LimitError) as caught:
        two.admit(caller, [caller, caller])
    assert (caught.value.field, caught.value.limit, caught.value.retryable) == ("sessions_per_key", 2, True)
    assert caught.value.close_code == 1013


def test_a_token_may_have_so_many_sessions_open_whatever_its_key_may() -> None:
    caller = Caller("app", token="one", token_sessions=1)
    with pytest.raises(LimitError, match="no more than 1"):
        doors(**LOCKED).admit(caller, [caller])
    doors(**LOCKED).admit(caller, [Caller("app", token="two", token_sessions=1)])


def test_a_key_may_begin_so_often_a_minute() -> None:
    one, caller = doors(**LOCKED, starts_per_minute=1), Caller("app")
    one.admit(caller, [])
    with pytest.raises(LimitError) as caught:
        one.admit(caller, [])
    assert caught.value.field == "starts_per_minute"
    assert 55 <= caught.value.retry_after_s <= 60
    one.admit(Caller("other"), [])


def test_this_machine_without_keys_is_not_held_to_the_limits() -> None:
    one = doors(starts_per_minute=1, sessions_per_key=1)
    caller = one.recognise(asking())
    assert caller is not None
    for _ in range(3):
        one.admit(caller, [caller, caller])


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.1.2.3", "gateway.example"])
def test_listening_to_the_world_without_keys_is_refused_at_the_start(host: str) -> None:
    with pytest.raises(SettingsError, match="LIPSTREAM_API_KEYS"):
        check(Settings(host=host))
    for way in (LOCKED, {"session_secret": SECRET}, {"open_to_all": True}):
        check(Settings(host=host, **way))


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_listening_to_this_machine_alone_needs_nothing(host: str) -> None:
    check(Settings(host=host))
