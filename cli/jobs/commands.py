"""The commands as Typer sees them; what they need is imported when they run."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from cli.options import Ca, Json, print_json

if TYPE_CHECKING:
    import httpx

EXIT_FAILED: Final = 1
POLL_S: Final = 0.5

Url = Annotated[str, typer.Option(help="The gateway.")]
Token = Annotated[str | None, typer.Option(help="API key, where the gateway asks for one.")]
JobId = Annotated[str, typer.Argument(metavar="ID", help="Id of the job, as `submit` and `list` show it.")]
Wait = Annotated[bool, typer.Option("--wait", help="Wait until it has ended; exit code 1 unless it is finished.")]
Output = Annotated[Path | None, typer.Option("--output", "-o", help="File for the result; waits for it.")]
Quality = Annotated[int | None, typer.Option(min=1, max=100, help="JPEG quality.")]
GATEWAY: Final = "http://127.0.0.1:3000"

jobs_app = typer.Typer(help="Background jobs: work that no session waits for.", no_args_is_help=True)
submit_app = typer.Typer(help="Ask for a job.", no_args_is_help=True)
jobs_app.add_typer(submit_app, name="submit")


def register(app: typer.Typer) -> None:
    """Add the commands to the program."""
    app.add_typer(jobs_app, name="jobs")


@submit_app.command()
def render(
    audio: Annotated[Path, typer.Argument(help="Audio file.")],
    avatar: Annotated[str, typer.Option(help="Avatar to animate.")] = "demo",
    quality: Quality = None,
    output: Output = None,
    wait: Wait = False,
    url: Url = GATEWAY,
    token: Token = None,
    ca: Ca = None,
    as_json: Json = False,
) -> None:
    """Let an avatar say an audio file: an MP4."""
    from cli.jobs.api import gateway, upload

    query = {"avatar": avatar} | ({} if quality is None else {"quality": str(quality)})
    with gateway(url, token, ca) as http:
        _follow(http, upload(http, "/api/jobs/render", audio, params=query), output, wait=wait, as_json=as_json)


@submit_app.command()
def export(
    session: Annotated[str, typer.Argument(help="Id of a recorded session.")],
    output: Output = None,
    wait: Wait = False,
    url: Url = GATEWAY,
    token: Token = None,
    ca: Ca = None,
    as_json: Json = False,
) -> None:
    """Make an MP4 of a recording."""
    _submit("export", {"session": session}, output, url, token, ca, wait=wait, as_json=as_json)


@submit_app.command()
def frames(
    avatar: Annotated[str, typer.Argument(help="The avatar.")],
    quality: Quality = None,
    output: Output = None,
    wait: Wait = False,
    url: Url = GATEWAY,
    token: Token = None,
    ca: Ca = None,
    as_json: Json = False,
) -> None:
    """Make a ZIP of an avatar's pictures."""
    _submit("frames", {"avatar": avatar, "quality": quality}, output, url, token, ca, wait=wait, as_json=as_json)


@submit_app.command()
def prune(
    days: Annotated[
        float | None, typer.Option(min=0, help="Remove what is older.  [default: recordings_keep_days]")
    ] = None,
    wait: Wait = False,
    url: Url = GATEWAY,
    token: Token = None,
    ca: Ca = None,
    as_json: Json = False,
) -> None:
    """Remove old recordings."""
    _submit("prune", {"days": days}, None, url, token, ca, wait=wait, as_json=as_json)


@jobs_app.command("list")
def jobs_list(
    limit: Annotated[int, typer.Option(min=1, max=500, help="How many.")] = 50,
    url: Url = GATEWAY,
    token: Token = None,
    ca: Ca = None,
    as_json: Json = False,
) -> None:
    """List the jobs, the newest first."""
    from cli.jobs.api import ask, gateway
    from cli.jobs.view import row
    from cli.tables import print_rows

    with gateway(url, token, ca) as http:
        found = ask(http, "GET", "/api/jobs", params={"limit": limit})["jobs"]
    if as_json:
        print_json(found)
    else:
        print_rows([row(job) for job in found], "no jobs")


@jobs_app.command("show")
def jobs_show(
    job: JobId,
    output: Output = None,
    wait: Wait = False,
    url: Url = GATEWAY,
    token: Token = None,
    ca: Ca = None,
    as_json: Json = False,
) -> None:
    """Show one job; with -o, save what it made."""
    from cli.jobs.api import ask, gateway

    with gateway(url, token, ca) as http:
        _follow(http, ask(http, "GET", f"/api/jobs/{job}"), output, wait=wait, as_json=as_json)


@jobs_app.command("cancel")
def jobs_cancel(job: JobId, url: Url = GATEWAY, token: Token = None, ca: Ca = None, as_json: Json = False) -> None:
    """End a job, whether it waits or is being done."""
    from cli.jobs.api import ask, gateway

    with gateway(url, token, ca) as http:
        _print(ask(http, "DELETE", f"/api/jobs/{job}"), as_json=as_json)


def _submit(
    kind: str,
    body: dict[str, Any],
    output: Path | None,
    url: str,
    token: str | None,
    ca: Path | None,
    *,
    wait: bool,
    as_json: bool,
) -> None:
    from cli.jobs.api import ask, gateway

    said = {name: value for name, value in body.items() if value is not None}
    with gateway(url, token, ca) as http:
        job = ask(http, "POST", f"/api/jobs/{kind}", json=said)
        _follow(http, job, output, wait=wait, as_json=as_json)


def _follow(http: "httpx.Client", job: Any, output: Path | None, *, wait: bool, as_json: bool) -> None:
    """Wait for a job and save its result, as far as asked for, then print it."""
    from cli.jobs.api import download

    if wait or output:
        job = _ended(http, job)
    if output and job["state"] == "finished":
        download(http, f"/api/jobs/{job['id']}/result", output)
    _print(job, as_json=as_json)
    if (wait or output) and job["state"] != "finished":
        raise typer.Exit(EXIT_FAILED)


def _ended(http: "httpx.Client", job: Any) -> Any:
    """The job, once it has ended; a bar shows its progress meanwhile."""
    from cli.jobs.api import ask
    from cli.progress import growing
    from common.background.requests import ENDED

    with growing(f"job {job['id']}") as tell:
        while job["state"] not in ENDED:
            tell(job["done"], job["total"])
            time.sleep(POLL_S)
            job = ask(http, "GET", f"/api/jobs/{job['id']}")
    return job


def _print(job: Any, *, as_json: bool) -> None:
    from cli.jobs.view import record
    from cli.tables import print_record

    if as_json:
        print_json(job)
    else:
        print_record(record(job))
