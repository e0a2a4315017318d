"""What the clients of each kind of Redis are told: nothing is connected here."""

from typing import Any

import pytest
from redis.asyncio.connection import SSLConnection

from common.errors import BusError
from common.redis_client import ANSWER_S, CONNECT_S, close, connect

TLS = "?ssl_ca_certs=/path/to/ca.pem"


def options_of(redis: Any) -> dict[str, Any]:
    found: dict[str, Any] = redis.connection_pool.connection_kwargs
    return found


@pytest.mark.parametrize("url", ["redis://one", "redis+sentinel://one/talk"])
async def test_answers_are_bounded_and_never_retried_by_redis_py(url: str) -> None:
    redis = connect(url, block_ms=250)
    options = options_of(redis)
    assert (options["socket_timeout"], options["socket_connect_timeout"]) == (ANSWER_S + 0.25, CONNECT_S)
    assert options["retry"].get_retries() == 0
    await close(redis)


async def test_the_same_holds_for_a_cluster() -> None:
    redis: Any = connect("redis+cluster://one,two", block_ms=250)
    assert redis.connection_kwargs["socket_timeout"] == ANSWER_S + 0.25
    assert redis.retry.get_retries() == 0
    assert sorted(redis.nodes_manager.startup_nodes) == ["one:6379", "two:6379"]
    await close(redis)


async def test_a_cluster_gets_password_and_tls() -> None:
    redis: Any = connect(f"rediss+cluster://me:pw@one:7000{TLS}")
    options = redis.connection_kwargs
    assert (options["username"], options["password"]) == ("me", "pw")
    assert (options["connection_class"], options["ssl_ca_certs"]) == (SSLConnection, "/path/to/ca.pem")
    await close(redis)


async def test_a_master_gets_password_database_and_tls_and_its_sentinels_tls_alone() -> None:
    redis: Any = connect(f"rediss+sentinel://me:pw@one,two/talk/3{TLS}")
    options = options_of(redis)
    assert (options["username"], options["password"], options["db"]) == ("me", "pw", 3)
    assert (options["ssl_ca_certs"], redis.connection_pool.service_name) == ("/path/to/ca.pem", "talk")
    for sentinel in redis.connection_pool.sentinel_manager.sentinels:
        pool = sentinel.connection_pool
        assert (pool.connection_class, pool.connection_kwargs["ssl_ca_certs"]) == (SSLConnection, "/path/to/ca.pem")
        assert pool.connection_kwargs.get("password") is None
        assert pool.connection_kwargs["retry"].get_retries() == 0
    await close(redis)


async def test_sentinels_are_asked_as_their_own_user() -> None:
    redis: Any = connect("redis+sentinel://me:pw@one/talk?sentinel_username=watch&sentinel_password=word")
    (sentinel,) = redis.connection_pool.sentinel_manager.sentinels
    asked_as = sentinel.connection_pool.connection_kwargs
    assert (asked_as["username"], asked_as["password"]) == ("watch", "word")
    assert (options_of(redis)["username"], options_of(redis)["password"]) == ("me", "pw")
    assert "sentinel_password" not in options_of(redis)
    await close(redis)


@pytest.mark.parametrize("url", ["http://one", "redis+cluster://one?nonsense=1"])
def test_what_redis_py_refuses_is_refused_with_the_forms_that_there_are(url: str) -> None:
    with pytest.raises(BusError, match=r"redis_url.*redis\+cluster"):
        connect(url)
