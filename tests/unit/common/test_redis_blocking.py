"""The client whose calls block."""

import fakeredis
import pytest
from redis import SSLConnection
from redis.sentinel import SentinelConnectionPool

from common.errors import BusError, SettingsError
from common.redis_blocking import check_server, connect_blocking
from common.settings import Settings


def test_a_servers_address_has_users_and_passwords_of_the_settings() -> None:
    settings = Settings(redis_url="rediss://10.0.0.1:6380/2", redis_username="jobs", redis_password="a:b@c")  # type: ignore[arg-type]
    pool = connect_blocking(settings).connection_pool
    assert pool.connection_class is SSLConnection
    said = pool.connection_kwargs
    assert (said["host"], said["port"], said["db"]) == ("10.0.0.1", 6380, 2)
    assert (said["username"], said["password"]) == ("jobs", "a:b@c")
    assert said["socket_timeout"] < 5, "a gateway waits no longer for it than for the other client"


def test_behind_sentinels_the_master_is_asked_for() -> None:
    redis = connect_blocking(Settings(redis_url="redis+sentinel://10.0.0.1,10.0.0.2:26380/faces/1"))
    pool = redis.connection_pool
    assert isinstance(pool, SentinelConnectionPool)
    assert (pool.service_name, pool.connection_kwargs["db"]) == ("faces", 1)
    asked = [each.connection_pool.connection_kwargs for each in pool.sentinel_manager.sentinels]
    assert [(each["host"], each["port"]) for each in asked] == [("10.0.0.1", 26379), ("10.0.0.2", 26380)]


@pytest.mark.parametrize("url", ["gopher://there", "redis+sentinel://10.0.0.1"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(BusError):
        connect_blocking(Settings(redis_url=url))


def test_a_cluster_is_refused_with_what_works() -> None:
    with pytest.raises(SettingsError, match="one Redis server, or Sentinel") as caught:
        connect_blocking(Settings(redis_url="redis+cluster://127.0.0.1:7000"))
    assert caught.value.field == "redis_url"


def test_an_old_server_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    redis = fakeredis.FakeRedis()
    for version in ("6.2.0", "7.4.1"):
        monkeypatch.setattr(redis, "info", lambda section, version=version: {"redis_version": version})
        assert check_server(redis) == version
    monkeypatch.setattr(redis, "info", lambda section: {"redis_version": "6.0.16"})
    with pytest.raises(BusError, match=r"6\.0\.16 is too old"):
        check_server(redis)
