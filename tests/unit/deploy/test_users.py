"""The users of Redis where Lipstream is deployed: those that there are, each with its own process."""

import re
from typing import Any

import pytest
import yaml

from common.acl import ROLES, user_of
from tests.unit.deploy import compose
from tests.unit.deploy.manifests import OVERLAYS, ROOT, ours, pod_of

ACL = ROOT / "deploy" / "compose" / "acl.yml"
PEOPLE = {"operator"}


def with_users() -> Any:
    return yaml.safe_load(ACL.read_text())["services"]


def role_of(service: Any) -> str:
    """`gateway`, or the stage of a worker."""
    return str(service["command"][-1])


def test_with_users_every_process_of_the_compose_file_has_its_own() -> None:
    changed = with_users()
    assert changed.keys() == compose.ours().keys() | {"redis"}
    for name, service in compose.ours().items():
        (url,) = changed[name]["environment"].values()
        role = role_of(service)
        expected = rf"redis://{user_of(role)}:\$\{{REDIS_PASSWORD_{role.upper()}:\?.*\}}@redis:6379/0"
        assert changed[name]["environment"].keys() == {"LIPSTREAM_REDIS_URL"}
        assert re.fullmatch(expected, url), name


def test_redis_gets_the_users_and_stays_what_it_is_otherwise() -> None:
    changed = with_users()["redis"]
    assert changed["command"] == compose.services()["redis"]["command"] + " --aclfile /etc/redis/users.acl"
    (mount,) = changed["volumes"]
    source, target, mode = mount.split(":")
    assert (target, mode) == ("/etc/redis/users.acl", "ro")
    assert source.removeprefix(".") in (ROOT / ".gitignore").read_text().splitlines()


def test_the_recipe_makes_a_password_for_every_user() -> None:
    (roles,) = re.findall(r"for role in ([A-Z ]+);", ACL.read_text())
    assert {role.lower() for role in roles.split()} == {*ROLES, "admin"}


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_pod_asks_for_the_address_of_a_role_that_has_a_user(overlay: str) -> None:
    roles = {pod_of(workload)["containers"][0]["args"][-1] for workload in ours(overlay)}
    assert roles <= ROLES.keys() - PEOPLE
    assert roles >= ROLES.keys() - PEOPLE - {"jobs"}


def test_the_audit_covers_every_list_of_packages() -> None:
    (lists,) = re.findall(r"for list in ([a-z ]+); do \$\(BIN\)/pip-audit --strict", (ROOT / "Makefile").read_text())
    assert {f"{name}.txt" for name in lists.split()} == {
        path.name for path in (ROOT / "deploy" / "requirements").glob("*.txt")
    }
