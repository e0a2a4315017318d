"""What a Redis URL may be, and what is refused with which words."""

from pathlib import Path

import pytest

from common.errors import BusError, SettingsError
from common.redis_address import Address, parse, shown, url_of
from common.settings import Settings


@pytest.mark.parametrize("url", ["redis://host:6379/0", "rediss://user:pw@host", "unix:///run/redis.sock?db=1"])
def test_one_server_is_left_to_redis_py(url: str) -> None:
    assert parse(url) == Address("server", url)


def test_a_cluster_is_named_by_some_of_its_nodes() -> None:
    found = parse("rediss+cluster://me:pw@one:7000,two,[::1]:7002?ssl_ca_certs=/ca.pem")
    assert found.nodes == (("one", 7000), ("two", 6379), ("::1", 7002))
    assert (found.kind, found.url) == ("cluster", "rediss://me:pw@one:7000/0?ssl_ca_certs=/ca.pem")


def test_a_service_is_named_by_its_sentinels() -> None:
    found = parse("redis+sentinel://:pw@one,two:26380/talk/2")
    assert found == Address("sentinel", "redis://:pw@one/2", (("one", 26379), ("two", 26380)), "talk")


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("redis+cluster://one:7000/1", "database 0 alone"),
        ("redis+cluster://one:7000/0/1", "no database number"),
        ("redis+cluster://", "a host is missing"),
        ("redis+cluster://one:7000,", "a host is missing"),
        ("redis+cluster://one:port", "'one:port' is no host:port"),
        ("redis+sentinel://one:26379", "the sentinels' service is missing"),
        ("redis+sentinel://one:26379/talk/two", "no database number"),
    ],
)
def test_what_is_wrong_is_named(url: str, words: str) -> None:
    with pytest.raises(BusError, match=words) as refusal:
        parse(url)
    assert refusal.value.field == "redis_url"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis://user:secret@host:6379/0", "redis://***@host:6379/0"),
        ("rediss://:secret@host", "rediss://***@host"),
        ("redis+cluster://:secret@one:7000,two:7000", "redis+cluster://***@one:7000,two:7000"),
        ("redis://host:6379/0", "redis://host:6379/0"),
        ("unix:///tmp/redis.sock", "unix:///tmp/redis.sock"),
        ("redis://user:with@sign@host:6379/0", "redis://***@host:6379/0"),
        ("redis+sentinel://one/talk?sentinel_password=x&db=1", "redis+sentinel://one/talk?sentinel_password=***&db=1"),
    ],
)
def test_the_password_is_not_shown(url: str, expected: str) -> None:
    assert shown(url) == expected


def test_sentinels_have_a_user_and_a_password_of_their_own() -> None:
    found = parse("rediss+sentinel://me:pw@one/talk/0?ssl_ca_certs=/ca.pem&sentinel_username=s&sentinel_password=p%26q")
    assert (found.asked_as, found.url) == (
        {"username": "s", "password": "p&q"},
        "rediss://me:pw@one/0?ssl_ca_certs=/ca.pem",
    )


@pytest.mark.parametrize("url", ["redis://host:6379/0", "unix:///run/redis.sock?db=1", "redis+cluster://one,two"])
def test_a_url_that_no_other_setting_adds_to_stays_as_it_is(url: str) -> None:
    assert url_of(Settings(redis_url=url)) == url


def test_settings_add_to_every_form_of_url_and_win_over_what_it_says(tmp_path: Path) -> None:
    for name in ("ca.pem", "own.pem", "own.key"):
        (tmp_path / name).touch()
    settings = {
        "redis_username": "me", "redis_password": "p@ss", "redis_ca_file": tmp_path / "ca.pem",
        "redis_cert_file": tmp_path / "own.pem", "redis_key_file": tmp_path / "own.key",
        "sentinel_username": "s", "sentinel_password": "q&r",
    }  # fmt: skip
    for url in (
        "rediss://host:6380/1",
        "rediss+cluster://old:pw@one,two",
        "rediss+sentinel://one,two/talk/1?ssl_ca_certs=/x",
    ):
        found = parse(url_of(Settings(redis_url=url, **settings)))  # type: ignore[arg-type]
        assert found.nodes == parse(url).nodes
        for part in ("rediss://me:p%40ss@", "ssl_ca_certs=/", "ca.pem", "own.pem", "own.key"):
            assert part in found.url
        assert "ssl_ca_certs=/x&" not in found.url
        assert found.asked_as == ({"username": "s", "password": "q&r"} if "sentinel" in url else {})


def test_a_file_that_is_not_there_is_named_with_its_setting(tmp_path: Path) -> None:
    settings = Settings(redis_url="rediss://host", redis_ca_file=tmp_path / "ca.pem")
    with pytest.raises(SettingsError, match=r"redis_ca_file: there is no file .*ca\.pem") as refusal:
        url_of(settings)
    assert refusal.value.field == "redis_ca_file"
