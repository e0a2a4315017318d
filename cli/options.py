"""Options that several commands share, and what they are turned into."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from common.redis_address import FORMS

if TYPE_CHECKING:
    from common.settings import Settings

Config = Annotated[Path | None, typer.Option(help="YAML file of settings.", metavar="FILE")]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
Ca = Annotated[
    Path | None, typer.Option("--ca", help="PEM of the authority behind the gateway's certificate.", metavar="FILE")
]
RedisUrl = Annotated[str | None, typer.Option(help=f"Redis to use: {FORMS}.")]


def settings_of(config: Path | None, **overrides: Any) -> "Settings":
    """The settings of this process; None among the overrides means not given."""
    from common.settings import load

    return load(config, **overrides)


def print_json(content: Any) -> None:
    """For one result of a command that ends."""
    sys.stdout.write(json.dumps(content, indent=2) + "\n")


def print_json_line(content: Any) -> None:
    """For one of many results: an object a line, seen at once also through a pipe."""
    sys.stdout.write(json.dumps(content) + "\n")
    sys.stdout.flush()
