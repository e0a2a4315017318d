"""The `lipstream` command. What a command needs is imported when it runs, so that `--help` is quick."""

import logging
import sys
import traceback
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

import typer

from cli.inspect import commands as inspection
from cli.jobs import commands as background
from cli.options import Ca, Config, Json, RedisUrl, print_json, settings_of
from cli.plan import commands as planning
from cli.replay import commands as replaying
from common.errors import AvatarError, InputError, LipstreamError, ProviderError, SettingsError
from common.logging import is_structured

EXIT_FAULT: Final = 1
EXIT_MISTAKE: Final = 2
_MISTAKES: Final = (InputError, SettingsError, AvatarError, ProviderError)
"""What the user can put right; everything else is a fault of the run."""

log = logging.getLogger(__name__)

app = typer.Typer(
    help="Speech in, lip-synced video out.", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False
)
avatar_app = typer.Typer(help="The avatars of this installation.", no_args_is_help=True)
app.add_typer(avatar_app, name="avatar")

Debug = Annotated[bool, typer.Option("--debug", help="Show where an error comes from.")]
Host = Annotated[str | None, typer.Option(help="Address to listen on.  [default: 127.0.0.1]")]
Port = Annotated[int | None, typer.Option(help="Port to listen on.  [default: 3000]")]
AvatarsDir = Annotated[Path | None, typer.Option(help="Folder of avatar packages.  [default: those that ship]")]
Audio = Annotated[Path, typer.Argument(help="Audio file of any format that FFmpeg reads.")]
AvatarName = Annotated[str, typer.Option("--avatar", help="Avatar to animate.")]
Output = Annotated[Path | None, typer.Option("--output", "-o", help="MP4 to write, with the audio.")]
FramesDir = Annotated[Path | None, typer.Option("--frames", help="Folder for the frames, 000000.jpg and so on.")]
ProviderName = Annotated[str | None, typer.Option("--provider", help="ONNX Runtime provider: cpu or cuda.")]


class StageName(StrEnum):
    """The worker stages, and the worker of background jobs."""

    AUDIO = "audio"
    INFERENCE = "inference"
    COMPOSITOR = "compositor"
    JOBS = "jobs"


@dataclass(slots=True)
class Options:
    """What holds for every command."""

    debug: bool = False


def main() -> None:
    """Run the command; a user's mistake is one line on stderr and exit code 2, a fault of the run exit code 1."""
    options = Options()
    try:
        app(obj=options)
    except LipstreamError as error:
        if options.debug:
            traceback.print_exc()
        if is_structured():
            log.critical("%s", error.message)
        else:
            sys.stderr.write(f"error: {error.message}\n")
        sys.exit(EXIT_MISTAKE if isinstance(error, _MISTAKES) else EXIT_FAULT)


@app.callback()
def _common(
    context: typer.Context,
    debug: Debug = False,
) -> None:
    context.obj.debug = debug


@app.command()
def up(
    port: Port = None,
    host: Host = None,
    redis_url: RedisUrl = None,
    workers: Annotated[
        int | None,
        typer.Option(min=1, max=64, help="Processes of each stage.  [default: 1, of inference one a core, at most 4]"),
    ] = None,
    avatars: Annotated[str | None, typer.Option(help="Avatars to serve, by commas.  [default: demo]")] = None,
    avatars_dir: AvatarsDir = None,
    provider: ProviderName = None,
    config: Config = None,
) -> None:
    """Run everything here: an embedded Redis (unless you name yours), all workers, the gateway."""
    from rich.console import Console

    from cli.up import up as run

    places = {"port": port, "host": host, "redis_url": redis_url}
    settings = settings_of(config, **places, avatars=avatars, avatars_dir=avatars_dir, provider=provider)
    run(settings, workers, Console())


@app.command()
def gateway(port: Port = None, host: Host = None, redis_url: RedisUrl = None, config: Config = None) -> None:
    """Run one gateway."""
    from common.logging import configure
    from gateway.main import run

    settings = settings_of(config, port=port, host=host, redis_url=redis_url)
    configure(settings.log_level, settings.log_format)
    run(settings)


@app.command()
def worker(stage: StageName, redis_url: RedisUrl = None, provider: ProviderName = None, config: Config = None) -> None:
    """Run one worker of a stage, or of the background jobs."""
    from importlib import import_module

    from common.logging import configure

    settings = settings_of(config, redis_url=redis_url, provider=provider)
    configure(settings.log_level, settings.log_format)
    import_module(f"workers.{stage}.main").run(settings)


@app.command()
def render(
    audio: Audio,
    output: Output = None,
    frames: FramesDir = None,
    avatar: AvatarName = "demo",
    avatars_dir: AvatarsDir = None,
    provider: ProviderName = None,
    as_json: Json = False,
    config: Config = None,
) -> None:
    """Render a file offline: no Redis, no gateway, the frames that a gateway would send."""
    from cli.progress import report
    from cli.render import render_file

    settings = settings_of(config, avatars_dir=avatars_dir, provider=provider)
    report(render_file(audio, avatar, settings, output, frames), as_json=as_json)


@app.command()
def stream(
    audio: Audio,
    url: Annotated[str, typer.Option(help="The gateway.")] = "ws://127.0.0.1:3000/ws",
    output: Output = None,
    frames: FramesDir = None,
    avatar: AvatarName = "demo",
    chunk_ms: Annotated[int, typer.Option(min=1, max=10_000, help="Audio in one message.")] = 40,
    realtime: Annotated[
        bool, typer.Option("--realtime/--fast", help="Send on the clock, or as fast as the gateway takes it.")
    ] = False,
    token: Annotated[str | None, typer.Option(help="API key or session token, where the gateway asks for one.")] = None,
    ca: Ca = None,
    as_json: Json = False,
) -> None:
    """Send a file through a running gateway and collect the frames."""
    import asyncio

    from cli.progress import report
    from cli.stream import Request
    from cli.stream import stream as run
    from workers.offline.media import read_audio

    request = Request(read_audio(audio), url, avatar, chunk_ms, realtime, output, frames, token, ca)
    report(asyncio.run(run(request)), as_json=as_json)


@app.command()
def doctor(as_json: Json = False, port: Port = None, redis_url: RedisUrl = None, config: Config = None) -> None:
    """Say what is missing here, and how to get it; exit code 1 when something is."""
    from cli.doctor import examine
    from cli.tables import print_checks

    settings = settings_of(config, port=port, redis_url=redis_url)
    checks = list(examine(settings))
    if as_json:
        print_json({"ok": not any(c.status == "missing" for c in checks), "checks": [c._asdict() for c in checks]})
    else:
        print_checks(checks)
    if any(check.status == "missing" for check in checks):
        raise typer.Exit(EXIT_FAULT)


@app.command()
def acl(
    roles: Annotated[list[str] | None, typer.Option("--role", help="Only this role; may be repeated.")] = None,
    as_file: Annotated[bool, typer.Option("--file", help="The aclfile of a server that serves nobody else.")] = False,
    redis_url: RedisUrl = None,
    as_json: Json = False,
    config: Config = None,
) -> None:
    """Print commands that make a Redis user for each role, with passwords: REDIS_PASSWORD_<ROLE>, or new ones."""
    import os

    from dotenv import dotenv_values

    from cli.acl import commands, file, users

    settings = settings_of(config, redis_url=redis_url)
    environment = {name: value for name, value in dotenv_values(".env").items() if value} | dict(os.environ)
    made = users(roles, environment)
    if as_json:
        print_json([user.as_dict(settings.redis_url) for user in made])
    else:
        sys.stdout.write("\n".join(file(made, environment) if as_file else commands(made)) + "\n")


@avatar_app.command("list")
def avatar_list(avatars_dir: AvatarsDir = None, as_json: Json = False, config: Config = None) -> None:
    """List the avatars."""
    from cli.avatars import rows
    from cli.tables import print_rows

    found = rows(_folder(config, avatars_dir))
    if as_json:
        print_json(found)
    else:
        print_rows(found, "no avatars here")


@avatar_app.command("show")
def avatar_show(name: str, avatars_dir: AvatarsDir = None, as_json: Json = False, config: Config = None) -> None:
    """Show one avatar."""
    from cli.avatars import details
    from cli.tables import print_record

    found = details(_folder(config, avatars_dir), name)
    if as_json:
        print_json(found)
    else:
        print_record(found)


inspection.register(app)
background.register(app)
replaying.register(app)
planning.register(app)


def _folder(config: Path | None, avatars_dir: Path | None) -> Path:
    from common.avatars.package import default_folder

    return settings_of(config, avatars_dir=avatars_dir).avatars_dir or default_folder()
