"""What a Redis URL may be, and what is refused with which words."""

import pytest

from common.errors import BusError
from common.redis_address import Address, parse, shown


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
    ],
)
def test_the_password_is_not_shown(url: str, expected: str) -> None:
    assert shown(url) == expected
