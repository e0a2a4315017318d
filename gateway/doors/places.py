"""Where a request comes from: which machine, and which web page."""

from collections.abc import Sequence
from ipaddress import IPv6Address, ip_address
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import Scope

DEFAULT_PORTS = {"http": 80, "https": 443}


def is_loopback(host: str) -> bool:
    """Whether a name or address means this machine and no other."""
    name = host.lower().rstrip(".")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        address = ip_address(name)
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        return address.ipv4_mapped.is_loopback
    return address.is_loopback


def is_local(scope: Scope, allowed_origins: Sequence[str]) -> bool:
    """Whether a request comes from this machine and was meant for it.

    The `Host` counts too: a foreign web page can point its own name at 127.0.0.1 and would be the gateway's own origin.
    """
    client, host = scope.get("client"), host_of(scope)
    if client is None or not is_loopback(client[0]):
        return False
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    return is_loopback(name) or is_listed(f"http://{host}", allowed_origins)


def host_of(scope: Scope) -> str:
    return Headers(scope=scope).get("host", "")


def is_allowed_origin(scope: Scope, allowed_origins: Sequence[str]) -> bool:
    """Whether the page that asks is the gateway's own, or one that the settings name; programs send no `Origin`."""
    origin = Headers(scope=scope).get("origin")
    return origin is None or _is_own(origin, host_of(scope)) or is_listed(origin, allowed_origins)


def is_listed(origin: str, allowed_origins: Sequence[str]) -> bool:
    return "*" in allowed_origins or origin.lower() in {allowed.lower().rstrip("/") for allowed in allowed_origins}


def _is_own(origin: str, host: str) -> bool:
    """Whether origin and `Host` name one place; a proxy may have taken TLS away, so the page's scheme counts."""
    try:
        page = urlsplit(origin)
        own = urlsplit(f"{page.scheme}://{host}")
        default = DEFAULT_PORTS.get(page.scheme)
        return bool(page.hostname) and (page.hostname, page.port or default) == (own.hostname, own.port or default)
    except ValueError:
        return False
