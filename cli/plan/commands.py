"""`lipstream plan` as Typer sees it; what it needs is imported when it runs."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from cli.options import Config, Json, print_json, settings_of


class OutputName(StrEnum):
    """What clients ask for."""

    FRAME = "frame"
    PATCH = "patch"


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command()(plan)


def plan(
    sessions: Annotated[int, typer.Option(min=1, help="Sessions that are open at once.")],
    avatar: Annotated[str, typer.Option(help="Avatar that they animate.")] = "demo",
    output: Annotated[OutputName, typer.Option(help="What clients ask for: pictures or mouths.")] = OutputName.FRAME,
    gpu: Annotated[
        str | None, typer.Option(metavar="TYPE", help="Inference on this GPU, as it was measured.  [default: CPUs]")
    ] = None,
    coefficients: Annotated[
        Path | None, typer.Option(metavar="FILE", help="What frames cost, measured.  [default: the shipped file]")
    ] = None,
    speaking: Annotated[float, typer.Option(min=0.01, max=1, help="Share of the sessions that speak at a time.")] = 1.0,
    headroom: Annotated[float, typer.Option(min=0.05, max=0.95, help="Share of its time that anything is busy.")] = 0.7,
    network_ms: Annotated[float, typer.Option(min=0, max=50, help="A round trip between a pod and Redis.")] = 0.5,
    redis_nodes: Annotated[
        int, typer.Option(min=1, max=500, help="Nodes of a shard's Redis; more than one is a cluster.")
    ] = 1,
    avatars_dir: Annotated[
        Path | None, typer.Option(help="Folder of avatar packages.  [default: those that ship]")
    ] = None,
    as_json: Json = False,
    config: Config = None,
) -> None:
    """Say what so many sessions need: pods, Redis, shards, bandwidth, and what drives the cost."""
    from cli.plan.coefficients import default_file, load
    from cli.plan.memory import payloads_of
    from cli.plan.model import Load
    from cli.plan.plan import make
    from cli.plan.view import print_plan
    from common.avatars.package import default_folder
    from common.avatars.package import load as load_package

    settings = settings_of(config, avatars_dir=avatars_dir)
    manifest = load_package(settings.avatars_dir or default_folder(), avatar).manifest
    measurement = load(coefficients or default_file()).find(avatar, output.value, gpu)
    wanted = Load(
        sessions, speaking, headroom, network_ms, redis_nodes, settings.max_sessions, settings.batch_max, manifest.pool
    )
    made = make(measurement, payloads_of(manifest), wanted, settings)
    if as_json:
        print_json(made.model_dump(mode="json"))
    else:
        print_plan(made)
