"""The commands as Typer sees them; what they need is imported when they run."""

import asyncio
import contextlib
import sys
from collections.abc import Awaitable, Callable, Coroutine
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeVar

import typer

from cli.options import Config, Json, RedisUrl, print_json, print_json_line, settings_of

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from common.settings import Settings

T = TypeVar("T")

JsonLines = Annotated[bool, typer.Option("--json", help="Print JSON, one object a line.")]
Stage = Annotated[str | None, typer.Argument(help="Stage whose dead letters are meant.  [default: all]")]
Letter = Annotated[str | None, typer.Argument(help="Id of one dead letter, as `list` shows it.  [default: all]")]
EXIT_REFUSED: Final = 1

dead_app = typer.Typer(help="The tasks that were given up.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the commands to the program."""
    app.command()(top)
    app.command()(trace)
    app.command()(tail)
    app.add_typer(dead_app, name="dead")


def top(
    redis_url: RedisUrl = None,
    interval_s: Annotated[float, typer.Option(min=0.2, max=60, help="Time between two looks.")] = 1.0,
    once: Annotated[bool, typer.Option("--once", help="Print one picture and end; rates take some seconds.")] = False,
    as_json: JsonLines = False,
    config: Config = None,
) -> None:
    """Watch the pipeline: stages, sessions, workers, Redis."""
    from rich.console import Console

    from cli.inspect.looks import look_until_rated
    from cli.inspect.screen import screen
    from cli.inspect.top import stream_json, watch

    settings = settings_of(config, redis_url=redis_url)
    if not once:
        if as_json:
            _until_interrupted(stream_json(settings, interval_s, print_json_line))
        else:
            _until_interrupted(watch(settings, interval_s, Console()))
        return
    seen = _with_redis(settings, lambda redis: look_until_rated(redis, interval_s))
    if as_json:
        print_json(seen.as_dict())
    else:
        console = Console()
        console.print(screen(seen, console.width, rows=None))


def trace(
    session: Annotated[str, typer.Argument(help="Id of a session, or its beginning.")],
    frame: Annotated[int | None, typer.Argument(min=0, help="One frame.  [default: the last ones]")] = None,
    count: Annotated[int, typer.Option(min=1, max=1_000, help="How many tasks, without a frame.")] = 20,
    redis_url: RedisUrl = None,
    as_json: Json = False,
    config: Config = None,
) -> None:
    """Follow a frame's way through the stages, or that of a session's last frames."""
    from rich.console import Console

    from cli.inspect import trace_view
    from cli.inspect.trace import last_ways
    from cli.inspect.trace import trace as find

    settings = settings_of(config, redis_url=redis_url)
    if frame is None:
        ways = _with_redis(settings, lambda redis: last_ways(redis, session, count))
        if as_json:
            print_json([way.as_dict() for way in ways])
        else:
            Console().print(trace_view.ways_table(ways))
        return
    found = _with_redis(settings, lambda redis: find(redis, session, frame, settings.frame_ring_slots))
    if as_json:
        print_json(trace_view.as_dict(found))
    else:
        Console().print(trace_view.trace_table(found))


def tail(
    what: Annotated[str, typer.Argument(metavar="STAGE|SESSION", help="audio, inference, compositor, or a session.")],
    count: Annotated[int | None, typer.Option(min=1, help="End after so many entries.")] = None,
    redis_url: RedisUrl = None,
    as_json: JsonLines = False,
    config: Config = None,
) -> None:
    """Show a stage's tasks, or a session's finished frames and epochs, as they come; takes nothing from anybody."""
    from cli.inspect.tail import as_line, follow

    def show(entry: dict[str, Any]) -> None:
        if as_json:
            print_json_line(entry)
        else:
            sys.stdout.write(as_line(entry) + "\n")
            sys.stdout.flush()

    settings = settings_of(config, redis_url=redis_url)
    _until_interrupted(_connected(settings, lambda redis: follow(redis, what, count, show)))


@dead_app.command("list")
def dead_list(stage: Stage = None, redis_url: RedisUrl = None, as_json: Json = False, config: Config = None) -> None:
    """List the tasks that were given up, the newest last."""
    from cli.inspect.letters import letters
    from cli.tables import print_rows

    found = _with_redis(settings_of(config, redis_url=redis_url), lambda redis: letters(redis, stage))
    if as_json:
        print_json([letter.as_dict() for letter in found])
    else:
        print_rows([letter.brief() for letter in found], "no dead letters")


@dead_app.command("show")
def dead_show(
    stage: Annotated[str, typer.Argument(help="Stage that gave the task up.")],
    letter_id: Annotated[str, typer.Argument(metavar="ID", help="Id of the dead letter, as `list` shows it.")],
    redis_url: RedisUrl = None,
    as_json: Json = False,
    config: Config = None,
) -> None:
    """Show one of them with its error, and whether another try makes sense."""
    from cli.inspect.retry import show
    from cli.tables import print_record

    settings = settings_of(config, redis_url=redis_url)
    found = _with_redis(settings, lambda redis: show(redis, stage, letter_id, settings.frame_ring_slots))
    if as_json:
        print_json(found)
    else:
        print_record(found)


@dead_app.command("retry")
def dead_retry(
    stage: Stage = None,
    letter_id: Letter = None,
    redis_url: RedisUrl = None,
    as_json: Json = False,
    config: Config = None,
) -> None:
    """Send tasks through the pipeline again, from their audio on; exit code 1 when one of them cannot be."""
    from cli.inspect.letters import letters
    from cli.inspect.retry import retry
    from cli.tables import print_rows

    settings = settings_of(config, redis_url=redis_url)
    which = _with_redis(settings, lambda redis: letters(redis, stage, letter_id))
    found = _with_redis(settings, lambda redis: retry(redis, which, settings.frame_ring_slots))
    if as_json:
        print_json([outcome._asdict() for outcome in found])
    else:
        print_rows([outcome.brief() for outcome in found], "no dead letters")
    if not all(outcome.entry for outcome in found):
        raise typer.Exit(EXIT_REFUSED)


@dead_app.command("purge")
def dead_purge(
    stage: Stage = None,
    letter_id: Letter = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    redis_url: RedisUrl = None,
    as_json: Json = False,
    config: Config = None,
) -> None:
    """Throw dead letters away."""
    from cli.inspect.letters import letters, purge

    settings = settings_of(config, redis_url=redis_url)
    found = _with_redis(settings, lambda redis: letters(redis, stage, letter_id))
    if found and not yes:
        typer.confirm(f"Throw {len(found)} dead letters away?", abort=True, err=True)
    purged = _with_redis(settings, lambda redis: purge(redis, found))
    if as_json:
        print_json({"purged": purged})
    else:
        sys.stdout.write(f"{purged} dead letters thrown away\n" if found else "no dead letters\n")


def _with_redis(settings: "Settings", use: Callable[["Redis"], Awaitable[T]]) -> T:
    """What `use` gives, with a connection of its own."""
    return asyncio.run(_connected(settings, use))


async def _connected(settings: "Settings", use: Callable[["Redis"], Awaitable[T]]) -> T:
    from common.redis_address import url_of
    from common.redis_client import close, connect

    redis = connect(url_of(settings))
    try:
        return await use(redis)
    finally:
        await close(redis)


def _until_interrupted(running: Coroutine[Any, Any, None]) -> None:
    """Ctrl-C is how these commands are ended."""
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(running)
