"""Users, passwords and TLS where Redis is a cluster, or is found by sentinels."""

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from redis import Redis as BlockingRedis
from redis import exceptions

from common import keys
from common.errors import AccessError
from common.redis_address import url_of
from common.redis_client import check_server, close, connect
from common.settings import Settings
from common.streams import WorkStream
from tests.authority import Authority, authority
from tests.integration.redis_servers import SLOTS, await_that, binary, free_node_port
from tests.secured import ADMIN, Secured, secured

WATCH = "what-the-sentinels-ask-for"


@pytest.fixture
def root(tmp_path: Path) -> Authority:
    return authority(tmp_path, "root")


def settings_of(redis: Secured, role: str, url: str, **changes: Any) -> Settings:
    user = redis.users[role]
    return Settings(
        redis_url=url, redis_ca_file=redis.ca, redis_username=user.name, redis_password=user.password, **changes
    )  # fmt: skip


async def begin_to_work(settings: Settings, role: str) -> None:
    """What a worker of a role does first."""
    redis = connect(url_of(settings))
    try:
        await check_server(redis)
        await WorkStream(redis, keys.stage(role), "me").ensure_group()
    finally:
        await close(redis)


async def test_each_role_works_on_a_cluster_over_tls_and_is_refused_what_is_not_its_own(
    root: Authority, tmp_path: Path
) -> None:
    with secured(tmp_path, root, "--cluster-enabled", "yes", "--tls-cluster", "yes") as redis:
        redis.admin.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, SLOTS - 1)
        await_that(lambda: redis.admin.execute_command("CLUSTER INFO")["cluster_state"] == "ok", "no cluster")
        url = redis.url.replace("rediss://", "rediss+cluster://")
        await begin_to_work(settings_of(redis, "audio", url), "audio")
        with pytest.raises(AccessError, match="not that of this process' role"):
            await begin_to_work(settings_of(redis, "compositor", url), "audio")
        wrong = settings_of(redis, "audio", url).model_copy(update={"redis_ca_file": None})
        with pytest.raises(AccessError, match="name the authority of its certificate in redis_ca_file"):
            await begin_to_work(wrong, "audio")
        assert redis.refusals() == [("lipstream-compositor", "stage:audio")]


@contextlib.contextmanager
def sentinel(folder: Path, redis: Secured, root: Authority) -> Iterator[str]:
    """Of the service `talk`, over TLS, with a password of its own; its address."""
    port, own = free_node_port(), root.sign("sentinel")
    tls = {"tls-cert-file": own.file, "tls-key-file": own.key, "tls-ca-cert-file": root.file}
    lines = {"port": 0, "tls-port": port, "bind": "127.0.0.1", "tls-replication": "yes", "tls-auth-clients": "no"} | tls
    lines |= {
        "requirepass": WATCH, "sentinel monitor talk 127.0.0.1": f"{redis.url.rpartition(':')[2].removesuffix('/0')} 1",
        "sentinel auth-user talk": "admin", "sentinel auth-pass talk": ADMIN, "dir": folder,
    }  # fmt: skip
    (folder / "sentinel.conf").write_text("".join(f"{name} {value}\n" for name, value in lines.items()))
    with (folder / "sentinel.log").open("w") as log:
        process = subprocess.Popen([binary(), folder / "sentinel.conf", "--sentinel"], stdout=log, stderr=log)
    try:
        with BlockingRedis(port=port, password=WATCH, ssl=True, ssl_ca_certs=str(root.file)) as client:
            await_that(lambda: _sees_master(client), "the sentinel sees no master")
        yield f"127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait(10)


def _sees_master(client: BlockingRedis) -> bool:
    with contextlib.suppress(exceptions.ConnectionError):
        found: Any = client.execute_command("SENTINEL MASTER", "talk")
        return bool(found["is_master"])
    return False


async def test_sentinels_with_a_password_tell_over_tls_where_the_master_is(root: Authority, tmp_path: Path) -> None:
    with secured(tmp_path, root) as redis, sentinel(tmp_path, redis, root) as address:
        url = f"rediss+sentinel://{address}/talk/0"
        await begin_to_work(settings_of(redis, "audio", url, sentinel_password=WATCH), "audio")
        for changes in ({}, {"sentinel_password": "a-wrong-one"}):
            with pytest.raises(AccessError, match="for sentinels sentinel_username and sentinel_password") as refusal:
                await begin_to_work(settings_of(redis, "audio", url, **changes), "audio")
            assert redis.users["audio"].password not in str(refusal.value)
            assert "a-wrong-one" not in str(refusal.value)
