"""docker-compose.yml as the tests look at it."""

import re
from functools import cache
from typing import Any

import yaml

from tests.unit.deploy.manifests import ROOT

GIVEN = {"LIPSTREAM_API_KEYS": "app:0123456789abcdef"}
"""What its head tells to put into `.env`."""


@cache
def compose() -> Any:
    return yaml.safe_load((ROOT / "docker-compose.yml").read_text())


def services() -> dict[str, Any]:
    return dict(compose()["services"])


def ours() -> dict[str, Any]:
    """The services that run Lipstream."""
    return {name: service for name, service in services().items() if service["image"].startswith("lipstream-")}


def environment(service: Any) -> dict[str, str]:
    """What a service gets where `.env` holds `GIVEN`; a variable without a value is passed on if there is one."""
    said = service.get("environment", {})
    return {name: filled(value) for name, value in said.items() if value is not None}


def filled(text: str) -> str:
    """`${NAME:-default}` and `${NAME:?message}`, replaced."""

    def value(match: re.Match[str]) -> str:
        name, default = match["name"], match["default"]
        if name not in GIVEN and default is None:
            raise ValueError(f"{name} is not set: {match['message']}")
        return GIVEN.get(name, default)

    return re.sub(r"\$\{(?P<name>\w+):(?:-(?P<default>[^}]*)|\?(?P<message>[^}]*))\}", value, str(text))
