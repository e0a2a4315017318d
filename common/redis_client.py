"""The one place that opens Redis connections and translates redis-py's errors into ours."""

import asyncio
import re
import traceback
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final, cast

from redis import exceptions
from redis.asyncio import Redis
from redis.asyncio.cluster import ClusterNode, RedisCluster
from redis.asyncio.connection import SSLConnection, parse_url
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel, SentinelConnectionPool
from redis.backoff import NoBackoff

from common.errors import AccessError, BusError
from common.redis_address import FORMS, Address, Node, parse

MIN_VERSION = (6, 2)
"""XAUTOCLAIM, XPENDING ... IDLE and explicit partial IDs came with 6.2."""

ANSWER_S: Final = 1.5
"""Redis may take so long for an answer, beyond the time that a read was told to block; then the connection is given up.
Without it, a connection whose other end has vanished without a word would be waited on for ever."""
CONNECT_S: Final = 2.0
CONNECTIONS_MAX: Final = 1_000
"""One is in use per command under way: a few a session at most."""
_REFUSALS: Final = ("MISCONF", "NOREPLICAS")
"""A server that takes no writes for now: it cannot save its snapshot, or lacks the replicas that it must have."""
_ACCESS: Final = {
    "certificate.verify.failed": "name the authority of its certificate in redis_ca_file",
    "certificate.required|unknown.ca|bad.certificate": "it wants to see a certificate: set redis_cert_file and "
    "redis_key_file to one of an authority that it knows",
    "authentication.required|AuthenticationError|invalid username-password|without any password": "set user and "
    "password in redis_url or redis_username and redis_password, for sentinels sentinel_username and "
    "sentinel_password; `lipstream acl` makes a user for each role",
    "no permissions": "this user is not that of this process' role; `lipstream acl` prints what each may do",
}
"""What a server says, or our TLS of it, that does not let us in, and what helps. Clients of a cluster and of sentinels
pass on its words alone."""


def connect(url: str, *, block_ms: int = 0) -> Redis:
    """A client for `url`, whose forms `common.redis_address` lists; nothing is sent yet, and `close` ends it.

    redis-py retries by itself for seconds unless told otherwise; here back-off is the callers' and bounded.
    RESP2 is fixed because replies of streams differ in RESP3. `block_ms` is the longest blocking read to come.

    The client of a cluster has the methods of a single server's and is used as one; `common.batch` and `relearn` serve
    what is different.

    Raises
    ------
    BusError
        The URL is of none of the forms.
    """
    address = parse(url)
    options: dict[str, Any] = {
        "retry": Retry(NoBackoff(), 0),
        "socket_connect_timeout": CONNECT_S,
        "socket_timeout": ANSWER_S + block_ms / 1000,
        "max_connections": CONNECTIONS_MAX,
        "protocol": 2,
        # Or each connection begins with a CLIENT SETINFO, which no role needs.
        "driver_info": None,
    }
    try:
        match address.kind:
            case "server":
                return Redis.from_url(address.url, **options)
            case "cluster":
                return _cluster(address, options)
            case "sentinel":
                return _master(address, options)
    except (TypeError, ValueError) as error:
        raise BusError(f"redis_url: {error}; the forms are {FORMS}", field="redis_url") from error


def _cluster(address: Address, options: dict[str, Any]) -> Redis:
    # Nodes may come back under other addresses: the URL's names stay those that are asked for the map.
    nodes = [ClusterNode(host, port) for host, port in address.nodes]
    return cast(Redis, RedisCluster.from_url(address.url, startup_nodes=nodes, dynamic_startup_nodes=False, **options))


def _master(address: Address, options: dict[str, Any]) -> Redis:
    # The URL's host is a sentinel's.
    given: dict[str, Any] = {k: v for k, v in parse_url(address.url).items() if k not in ("host", "port")}
    tls = {k: v for k, v in given.items() if k.startswith("ssl_")}
    if given.pop("connection_class", None) is SSLConnection:
        given["ssl"] = tls["ssl"] = True
    sentinel = Sentinel(  # type: ignore[no-untyped-call]
        address.nodes, sentinel_kwargs={**options, **tls, **address.asked_as, "socket_timeout": ANSWER_S}
    )
    # redis-py moves the sentinel that answered to the front of its list; two that do so at once lose another one.
    sentinel.discover_master = _shared(sentinel.discover_master)  # type: ignore[method-assign, assignment]
    master: Redis = sentinel.master_for(address.service, **options, **given)
    return master


def _shared(look: Callable[[str], Awaitable[Node]]) -> Callable[[str], Coroutine[Any, Any, Node]]:
    """The same look-up, once for all who ask while it is under way."""
    running: asyncio.Future[Node] | None = None

    async def shared(service: str) -> Node:
        nonlocal running
        if running is None or running.done():
            running = asyncio.ensure_future(look(service))
        return await asyncio.shield(running)

    return shared


async def close(redis: Redis) -> None:
    """Close every connection; those to a cluster's nodes and to sentinels too."""
    await redis.aclose()
    if isinstance(redis, RedisCluster):
        # A client that has just lost a node takes itself for closed.
        await redis.nodes_manager.aclose()
        await redis.nodes_manager.aclose("startup_nodes")
    elif isinstance(redis.connection_pool, SentinelConnectionPool):
        await redis.connection_pool.sentinel_manager.aclose()


async def relearn(redis: Redis) -> None:
    """After a failure: ask a cluster anew which node has which slot. Other kinds of servers need no such thing.

    redis-py does so by itself only where its own retry is on, and asks a node that it chose long ago for the keys of
    XREAD and XREADGROUP.
    """
    if isinstance(redis, RedisCluster):
        # Where this fails, the next failure asks again.
        with suppress(BusError), translated():
            await redis.nodes_manager.initialize()
            await redis.commands_parser.initialize(redis.get_default_node())


@contextmanager
def translated() -> Iterator[None]:
    """Turn redis-py's errors into `BusError` (`AccessError` where we are not let in), keeping the cause."""
    try:
        yield
    except exceptions.OutOfMemoryError as error:
        raise BusError("Redis is full (maxmemory); it refuses writes until memory is freed") from error
    except (exceptions.ConnectionError, exceptions.TimeoutError, OSError) as error:
        raise _refused(error) or BusError(f"cannot reach Redis: {_said(error)}") from error
    except (exceptions.ClusterError, exceptions.RedisClusterException, exceptions.AskError) as error:
        raise _refused(error) or BusError(f"the Redis Cluster does not serve all slots: {error}") from error
    except exceptions.ReadOnlyError as error:
        raise BusError(f"this Redis is no master any more: {error}") from error
    except exceptions.ResponseError as error:
        if any(refusal in str(error) for refusal in _REFUSALS):
            raise BusError(f"Redis refuses writes: {error}") from error
        if access := _refused(error):
            raise access from error
        raise
    except AttributeError as error:
        if not _is_of_redis_py(error):
            raise
        # A cluster's client closes all connections when one command fails, those that are just being made too.
        raise BusError("cannot reach Redis: the connection was closed while it was being made") from error


def _refused(error: Exception) -> AccessError | None:
    """The error of a server that does not let us in; None for others."""
    for pattern, remedy in _ACCESS.items():
        if re.search(pattern, str(error), re.IGNORECASE):
            return AccessError(f"Redis refuses us: {_said(error)}; {remedy}", field="redis_url")
    return None


def _said(error: Exception) -> str:
    # Of sentinels redis-py tells with all the options of its clients.
    return re.sub(r"<redis\.asyncio.*?\)>\)>\)> - ", "", str(error))


def _is_of_redis_py(error: Exception) -> bool:
    *_, (frame, _) = traceback.walk_tb(error.__traceback__)
    return str(frame.f_globals["__name__"]).startswith("redis.")


async def check_server(redis: Redis) -> str:
    """The server's version.

    Raises
    ------
    BusError
        It cannot be reached, or is older than 6.2.
    """
    with translated():
        info = await redis.info("server")
    version = str(info["redis_version"])
    if tuple(int(part) for part in version.split(".")[:2]) < MIN_VERSION:
        raise BusError(f"Redis {version} is too old; 6.2 or newer is needed")
    return version
