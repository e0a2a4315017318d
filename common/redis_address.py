"""The forms of `redis_url`.

| URL                                                    | names                                                       |
|--------------------------------------------------------|-------------------------------------------------------------|
| `redis://host:6379/0`, `unix:///path/to/socket`        | one server                                                  |
| `redis+cluster://host:7000,host:7001,host:7002`        | a Redis Cluster, by nodes that can be asked for its map     |
| `redis+sentinel://host:26379,host:26380/<service>/<db>` | the master of a service, as the sentinels say at the time  |

`rediss` instead of `redis` speaks TLS. `user:password@` before the hosts and `?option=value` behind them are for the
data nodes, in redis-py's form: `?ssl_ca_certs=/path/to/ca.pem`. Sentinels are asked without a password.
"""

import re
from typing import Final, Literal, NamedTuple
from urllib.parse import urlsplit, urlunsplit

from common.errors import BusError

FORMS: Final = "redis://, rediss://, unix://, redis+cluster:// or redis+sentinel://"
_SCHEME: Final = re.compile(r"(rediss?)\+(cluster|sentinel)")
_PORTS: Final = {"cluster": 6379, "sentinel": 26379}

Node = tuple[str, int]


class Address(NamedTuple):
    """What a URL names; `url` is what redis-py reads: scheme, credentials, database and options."""

    kind: Literal["server", "cluster", "sentinel"]
    url: str
    nodes: tuple[Node, ...] = ()
    service: str = ""


def parse(url: str) -> Address:
    """Take a `redis_url` apart.

    Raises
    ------
    BusError
        It is of none of the forms.
    """
    parts = urlsplit(url)
    form = _SCHEME.fullmatch(parts.scheme)
    if form is None:
        return Address("server", url)
    scheme, kind = form.groups()
    credentials, _, hosts = parts.netloc.rpartition("@")
    nodes = tuple(_node(host, _PORTS[kind]) for host in hosts.split(","))
    path = [part for part in parts.path.split("/") if part]
    service = path.pop(0) if kind == "sentinel" and path else ""
    database = path.pop(0) if path else "0"
    if path or not database.isdecimal():
        raise _refused(f"'{parts.path}' is no database number")
    plain = urlunsplit((scheme, f"{credentials}@{hosts.split(',')[0]}", database, parts.query, ""))
    if kind == "sentinel":
        if not service:
            raise _refused("the sentinels' service is missing: redis+sentinel://host:26379/<service>/<db>")
        return Address("sentinel", plain, nodes, service)
    if database != "0":
        raise _refused("a cluster has the database 0 alone", limit=0)
    return Address("cluster", plain, nodes)


def shown(url: str) -> str:
    """The URL as it may be shown: without the password."""
    return re.sub(r"//[^/@]*@", "//***@", url)


def _node(text: str, default_port: int) -> Node:
    """`host`, `host:port` or `[IPv6]:port`."""
    try:
        parts = urlsplit(f"//{text}")
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise _refused(f"'{text}' is no host:port") from error
    if not host:
        raise _refused("a host is missing")
    return host, port or default_port


def _refused(reason: str, limit: int | None = None) -> BusError:
    return BusError(f"redis_url: {reason}", field="redis_url", limit=limit)
