"""A Redis that lets in the users of `lipstream acl` and nobody else, over TLS where a test asks for it."""

import contextlib
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from secrets import token_urlsafe
from typing import Any, NamedTuple

from redis import Redis, exceptions

from cli.acl import VARIABLE, User, file, users
from cli.embedded_redis import version_of
from common.acl import ROLES
from common.redis_address import with_user
from tests.authority import Authority, Certificate
from tests.integration.redis_servers import await_that, binary, free_node_port
from tests.missing import missing

ADMIN = "an-admins-password"
SELECTORS = (7, 0, 0)


class Secured(NamedTuple):
    """A server with a user for each role; `url` names none of them, `ca` is whom to trust."""

    url: str
    users: Mapping[str, User]
    admin: Redis
    ca: Path | None = None

    def url_of(self, role: str) -> str:
        """The address that a process of a role gets."""
        return str(self.users[role].as_dict(self.url)["redis_url"])

    def client(self, role: str) -> Redis:
        """A connection as the user of a role."""
        return _client(self.url_of(role), self.ca)

    def refusals(self) -> list[tuple[str, str]]:
        """What users were refused since the last look: who, and which command or key."""
        found: Any = self.admin.acl_log()
        self.admin.acl_log_reset()
        return [(entry["username"], entry["object"]) for entry in found]


@contextlib.contextmanager
def secured(
    folder: Path, authority: Authority | None = None, *options: str, asks_for_certificates: bool = False
) -> Iterator[Secured]:
    """The server, on a port of its own; with an authority it speaks TLS and nothing else."""
    server, port = binary(), free_node_port()
    if (version_of(server) or SELECTORS) < SELECTORS:
        missing(
            f"{server} is older than Redis 7, whose rules know selectors: "
            "install Debian's package redis-server, as `make redis` does"
        )
    passwords = {f"{VARIABLE}{role.upper()}": token_urlsafe() for role in ROLES} | {f"{VARIABLE}ADMIN": ADMIN}
    made = users(None, passwords)
    (folder / "users.acl").write_text("\n".join(file(made, passwords)))
    command = [str(server), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder), *options]
    command += ["--aclfile", str(folder / "users.acl"), "--acllog-max-len", "1000"]
    # What a server refuses to all by itself says nothing of the users.
    command += ["--enable-debug-command", "yes", "--enable-module-command", "yes"]
    own = authority and authority.sign("redis")
    if authority is None or own is None:
        command += ["--port", str(port)]
    else:
        command += ["--port", "0", "--tls-port", str(port), "--tls-ca-cert-file", str(authority.file)]
        command += ["--tls-cert-file", str(own.file), "--tls-key-file", str(own.key)]
        command += ["--tls-auth-clients", "yes" if asks_for_certificates else "no"]
    url = f"redis{'s' if authority else ''}://127.0.0.1:{port}/0"
    ca = authority and authority.file
    with (folder / "redis.log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        with _client(with_user(url, "admin", ADMIN), ca, own) as admin:
            await_that(lambda: _answers(admin), f"{command} does not answer: {(folder / 'redis.log').read_text()}")
            yield Secured(url, {user.role: user for user in made}, admin, ca)
    finally:
        process.terminate()
        process.wait(10)


def _client(url: str, ca: Path | None, shown: Certificate | None = None) -> Redis:
    options: dict[str, Any] = {"ssl_ca_certs": str(ca)} if ca else {}
    options |= {"ssl_certfile": str(shown.file), "ssl_keyfile": str(shown.key)} if shown else {}
    return Redis.from_url(url, driver_info=None, **options)


def _answers(client: Redis) -> bool:
    try:
        return bool(client.ping())
    except exceptions.ConnectionError:
        return False
