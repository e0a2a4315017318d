"""The forms of `redis_url`.

| URL                                                    | names                                                       |
|--------------------------------------------------------|-------------------------------------------------------------|
| `redis://host:6379/0`, `unix:///path/to/socket`        | one server                                                  |
| `redis+cluster://host:7000,host:7001,host:7002`        | a Redis Cluster, by nodes that can be asked for its map     |
| `redis+sentinel://host:26379,host:26380/<service>/<db>` | the master of a service, as the sentinels say at the time  |

`rediss` instead of `redis` speaks TLS. `user:password@` before the hosts and `?option=value` behind them are for the
data nodes, in redis-py's form: `?ssl_ca_certs=/path/to/ca.pem`; TLS options go for the sentinels too. Sentinels have a
user and a password of their own: `?sentinel_username=...&sentinel_password=...`. Each of these has a setting as well.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Literal, NamedTuple
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

from pydantic import SecretStr

from common.errors import BusError, SettingsError
from common.settings import Settings

FORMS: Final = "redis://, rediss://, unix://, redis+cluster:// or redis+sentinel://"
_SCHEME: Final = re.compile(r"(rediss?)\+(cluster|sentinel)")
_PORTS: Final = {"cluster": 6379, "sentinel": 26379}
_SENTINEL: Final = "sentinel_"

Node = tuple[str, int]


class Address(NamedTuple):
    """What a URL names; `url` is what redis-py reads: scheme, credentials, database and options.

    `asked_as` are the user name and the password for the sentinels, as far as there are any.
    """

    kind: Literal["server", "cluster", "sentinel"]
    url: str
    nodes: tuple[Node, ...] = ()
    service: str = ""
    asked_as: Mapping[str, str] = {}


def url_of(settings: Settings) -> str:
    """The `redis_url` with all that other settings say of it: users, passwords, certificates.

    Raises
    ------
    SettingsError
        A file is not there.
    """
    url, password = settings.redis_url, _text(settings.redis_password)
    if password is not None:
        url = with_user(url, settings.redis_username, password)
    options = {
        "ssl_ca_certs": _file("redis_ca_file", settings.redis_ca_file),
        "ssl_certfile": _file("redis_cert_file", settings.redis_cert_file),
        "ssl_keyfile": _file("redis_key_file", settings.redis_key_file),
        "sentinel_username": settings.sentinel_username or None,
        "sentinel_password": _text(settings.sentinel_password),
    }
    said = {name: value for name, value in options.items() if value is not None}
    if not said:
        return url
    parts = urlsplit(url)
    return urlunsplit(parts._replace(query=_query(dict(parse_qsl(parts.query, keep_blank_values=True)) | said)))


def with_user(url: str, name: str, password: str) -> str:
    """The URL with this user in the place of any other."""
    parts = urlsplit(url)
    hosts = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{quote(name, '')}:{quote(password, '')}@{hosts}"))


def _text(secret: SecretStr | None) -> str | None:
    return None if secret is None else secret.get_secret_value()


def _file(name: str, path: Path | None) -> str | None:
    if path is not None and not path.is_file():
        raise SettingsError(f"{name}: there is no file {path}", field=name)
    return None if path is None else str(path)


def _query(options: Mapping[str, str]) -> str:
    return urlencode(options, safe="/")


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
    options = parse_qsl(parts.query, keep_blank_values=True)
    query = _query({name: value for name, value in options if not name.startswith(_SENTINEL)})
    plain = urlunsplit((scheme, f"{credentials}@{hosts.split(',')[0]}", database, query, ""))
    if kind == "sentinel":
        if not service:
            raise _refused("the sentinels' service is missing: redis+sentinel://host:26379/<service>/<db>")
        asked_as = {name.removeprefix(_SENTINEL): value for name, value in options if name.startswith(_SENTINEL)}
        return Address("sentinel", plain, nodes, service, asked_as)
    if database != "0":
        raise _refused("a cluster has the database 0 alone", limit=0)
    return Address("cluster", plain, nodes)


def shown(url: str) -> str:
    """The URL as it may be shown: without passwords."""
    return re.sub(r"//[^/]*@", "//***@", re.sub(r"password=[^&]*", "password=***", url))


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
