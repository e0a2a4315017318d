"""The one place that opens Redis connections and translates redis-py's errors into ours."""

from collections.abc import Iterator
from contextlib import contextmanager

from redis import exceptions
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from common.errors import BusError

MIN_VERSION = (6, 2)
"""XAUTOCLAIM, XPENDING ... IDLE and explicit partial IDs came with 6.2."""


def connect(url: str) -> Redis:
    """A client for `url`; nothing is sent yet.

    redis-py retries by itself for seconds unless told otherwise; here back-off is the callers' and bounded.
    RESP2 is fixed because replies of streams differ in RESP3.

    Raises
    ------
    BusError
        The URL is not one of redis://, rediss:// or unix://.
    """
    try:
        return Redis.from_url(url, retry=Retry(NoBackoff(), 0), socket_connect_timeout=2, protocol=2)
    except ValueError as error:
        raise BusError(f"redis_url: {error}", field="redis_url") from error


@contextmanager
def translated() -> Iterator[None]:
    """Turn redis-py's errors into `BusError`, keeping the cause."""
    try:
        yield
    except exceptions.OutOfMemoryError as error:
        raise BusError("Redis is full (maxmemory); it refuses writes until memory is freed") from error
    except (exceptions.ConnectionError, exceptions.TimeoutError, OSError) as error:
        raise BusError(f"cannot reach Redis: {error}") from error


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
