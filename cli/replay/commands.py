"""The commands as Typer sees them; what they need is imported when they run."""

import asyncio
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from cli.options import Ca, Config, Json, print_json, settings_of

if TYPE_CHECKING:
    from cli.replay.run import Request
    from common.recording.store import Store
    from common.settings import Settings

EXIT_DIFFERS: Final = 1

Rec = Annotated[
    str, typer.Argument(metavar="REC", help="A .lsrec file or URL, or a session's id; with --load a folder.")
]
Url = Annotated[str | None, typer.Option(help="Gateway to send it to.  [default: in this process, without Redis]")]
Recordings = Annotated[
    str | None, typer.Option("--recordings", help="Folder or URL of the recordings.  [default: recordings]")
]
AvatarsDir = Annotated[Path | None, typer.Option(help="Folder of avatar packages.  [default: those that ship]")]

recordings_app = typer.Typer(help="The recordings of this installation.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the commands to the program."""
    app.command()(replay)
    app.add_typer(recordings_app, name="recordings")


def replay(
    rec: Rec,
    url: Url = None,
    speed: Annotated[
        float | None, typer.Option(min=0.01, help="Times the recorded pace; needs --url.  [default: 1]")
    ] = None,
    fast: Annotated[bool, typer.Option("--fast", help="As fast as the gateway takes it; needs --url.")] = False,
    verify: Annotated[bool, typer.Option("--verify", help="Compare digests, then every picture.")] = False,
    evidence: Annotated[Path, typer.Option(help="Folder for the pictures of a difference.")] = Path(),
    avatar: Annotated[str | None, typer.Option(help="Compare with this avatar, frame by frame.")] = None,
    model: Annotated[Path | None, typer.Option(help="Compare with this ONNX model in the place of its like.")] = None,
    load: Annotated[int | None, typer.Option(min=1, help="Run a folder of recordings, so many at a time.")] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="MP4 to write; of a comparison also a .png, a contact sheet.")
    ] = None,
    token: Annotated[str | None, typer.Option(help="API key or session token, where the gateway asks for one.")] = None,
    ca: Ca = None,
    recordings: Recordings = None,
    avatars_dir: AvatarsDir = None,
    provider: Annotated[str | None, typer.Option(help="ONNX Runtime provider: cpu or cuda.")] = None,
    as_json: Json = False,
    config: Config = None,
) -> None:
    """Run a recorded session again; exit code 1 when it differs from what was recorded."""
    from cli.replay.run import Request
    from common.avatars.package import default_folder
    from common.avatars.package import load as load_avatar
    from common.errors import InputError

    if url is None and (fast or speed is not None or load is not None):
        raise InputError("--speed, --fast and --load need a gateway: --url ws://HOST:PORT/ws", field="url")
    if url is not None and (avatar or model):
        raise InputError("models are compared in this process: leave --url away", field="url")
    settings = settings_of(config, avatars_dir=avatars_dir, provider=provider, recordings_url=recordings)
    folder = settings.avatars_dir or default_folder()
    pace = None if fast or url is None else speed or 1.0
    request = Request(
        settings, lambda name: load_avatar(folder, name), url, pace, token, verify or load is not None, output,
        evidence, ca,
    )  # fmt: skip
    if load is not None:
        _load(rec, load, request, as_json=as_json)
    elif avatar or model:
        _compare(rec, avatar, model, request, as_json=as_json)
    else:
        _replay(rec, request, as_json=as_json)


def _replay(rec: str, request: "Request", *, as_json: bool) -> None:
    from cli.replay.run import run
    from cli.replay.source import find

    outcome = asyncio.run(run(find(rec, request.settings.recordings_url), request))
    _print(outcome.as_dict(), outcome.as_text(), as_json=as_json)
    if outcome.difference:
        raise typer.Exit(EXIT_DIFFERS)


def _compare(rec: str, avatar: str | None, model: Path | None, request: "Request", *, as_json: bool) -> None:
    from cli.replay.compare import compare
    from cli.replay.source import find
    from cli.replay.variant import with_model
    from workers.offline.replay import Offline

    recording = find(rec, request.settings.recordings_url)
    recorded = str(recording.header.avatar["avatar"])
    with ExitStack() as stack:
        other = request.avatar_of(avatar or recorded)
        if model:
            other = stack.enter_context(with_model(other, model))
        avatar_of = request.avatar_of if avatar is None else lambda _: other
        second = Offline(request.settings, lambda name: other if name == recorded else avatar_of(name))
        titles = recorded, " with ".join(part for part in (avatar or recorded, model and model.name) if part)
        found = compare(recording, Offline(request.settings, request.avatar_of), second, titles, request.output)
    _print(found.as_dict(), found.as_text(), as_json=as_json)


def _load(folder: str, at_once: int, request: "Request", *, as_json: bool) -> None:
    from cli.replay.load import load, row
    from cli.replay.source import all_in
    from cli.tables import print_rows

    recordings = all_in(folder)
    outcomes = asyncio.run(load(recordings, at_once, request))
    rows = [row(*pair) for pair in outcomes]
    if as_json:
        print_json(rows)
    else:
        print_rows(rows, "no recordings")
    if any(line["result"] != "same" for line in rows):
        raise typer.Exit(EXIT_DIFFERS)


@recordings_app.command("list")
def recordings_list(recordings: Recordings = None, as_json: Json = False, config: Config = None) -> None:
    """List the recordings, the newest last."""
    from cli.tables import print_rows

    entries = _store(recordings, config)[0].entries()
    rows = [entry._asdict() | {"modified": entry.modified.isoformat(timespec="seconds")} for entry in entries]
    if as_json:
        print_json(rows)
    else:
        print_rows(rows, "no recordings")


@recordings_app.command("show")
def recordings_show(rec: Rec, recordings: Recordings = None, as_json: Json = False, config: Config = None) -> None:
    """Show what was recorded of a session."""
    from cli.replay.describe import describe
    from cli.replay.source import find
    from cli.tables import print_record

    found = describe(find(rec, settings_of(config, recordings_url=recordings).recordings_url))
    if as_json:
        print_json(found)
    else:
        print_record(found)


@recordings_app.command("delete")
def recordings_delete(
    session: Annotated[str, typer.Argument(help="Id of the session.")],
    recordings: Recordings = None,
    as_json: Json = False,
    config: Config = None,
) -> None:
    """Remove what was recorded of a session."""
    files = _store(recordings, config)[0].delete(session)
    _print({"session": session, "files": files}, f"{files} files of session {session} removed", as_json=as_json)


@recordings_app.command("prune")
def recordings_prune(
    days: Annotated[
        float | None, typer.Option(min=0, help="Remove what is older.  [default: recordings_keep_days]")
    ] = None,
    recordings: Recordings = None,
    as_json: Json = False,
    config: Config = None,
) -> None:
    """Remove old recordings."""
    from common.errors import InputError
    from common.recording.store import days_ago

    store, settings = _store(recordings, config)
    keep = settings.recordings_keep_days if days is None else days
    if keep is None:
        raise InputError("how old is old? Give --days, or set recordings_keep_days", field="days")
    pruned = store.prune(days_ago(keep))
    _print({"pruned": pruned}, f"{len(pruned)} recordings removed", as_json=as_json)


def _store(recordings: str | None, config: Path | None) -> "tuple[Store, Settings]":
    from common.recording.store import store_at

    settings = settings_of(config, recordings_url=recordings)
    return store_at(settings.recordings_url), settings


def _print(content: Any, text: str, *, as_json: bool) -> None:
    if as_json:
        print_json(content)
    else:
        typer.echo(text)
