"""A client of Redis whose calls block, for RQ, which knows no other; errors are translated as everywhere."""

from typing import Any, Final, cast

from redis import Redis, Sentinel
from redis.asyncio.connection import parse_url
from redis.backoff import NoBackoff
from redis.retry import Retry

from common.errors import BusError, SettingsError
from common.redis_address import FORMS, Address, parse, url_of
from common.redis_client import ANSWER_S, CONNECT_S, MIN_VERSION, translated
from common.settings import Settings

CONNECTIONS_MAX: Final = 64


def connect_blocking(settings: Settings) -> Redis:
    """A client for the settings' Redis; nothing is sent yet.

    Raises
    ------
    BusError
        The URL is of none of the forms.
    SettingsError
        It names a Redis Cluster, over whose nodes RQ cannot spread its keys.
    """
    address = parse(url_of(settings))
    if address.kind == "cluster":
        raise SettingsError(
            "background jobs need one Redis server, or Sentinel: RQ does not run on a Redis Cluster", field="redis_url"
        )
    options: dict[str, Any] = {
        "retry": Retry(NoBackoff(), 0),
        "socket_connect_timeout": CONNECT_S,
        "socket_timeout": ANSWER_S,
        "max_connections": CONNECTIONS_MAX,
        "protocol": 2,
        "driver_info": None,
    }
    try:
        return _master(address, options) if address.kind == "sentinel" else Redis.from_url(address.url, **options)
    except (TypeError, ValueError) as error:
        raise BusError(f"redis_url: {error}; the forms are {FORMS}", field="redis_url") from error


def _master(address: Address, options: dict[str, Any]) -> Redis:
    given: dict[str, Any] = {k: v for k, v in parse_url(address.url).items() if k not in ("host", "port")}
    tls = {k: v for k, v in given.items() if k.startswith("ssl_")}
    if given.pop("connection_class", None) is not None:
        given["ssl"] = tls["ssl"] = True
    sentinel = Sentinel(  # type: ignore[no-untyped-call]
        address.nodes, sentinel_kwargs=options | tls | dict(address.asked_as)
    )
    master = sentinel.master_for(address.service, **options, **given)  # type: ignore[no-untyped-call]
    return cast(Redis, master)


def check_server(redis: Redis) -> str:
    """The server's version; as `redis_client.check_server`."""
    with translated():
        version = str(redis.info("server")["redis_version"])
    if tuple(int(part) for part in version.split(".")[:2]) < MIN_VERSION:
        raise BusError(f"Redis {version} is too old; 6.2 or newer is needed")
    return version
