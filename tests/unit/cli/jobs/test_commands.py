"""The commands as a user types them, against a gateway that is made up."""

import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner, Result

from cli.jobs import api, commands
from cli.main import Options, app
from common.errors import InputError, LipstreamError
from tests.authority import Authority, authority

JOB = "0123456789abcdef"


def job(state: str, **changes: Any) -> dict[str, Any]:
    found = {
        "id": JOB, "request": {"kind": "render", "avatar": "demo"}, "state": state, "attempt": 1, "done": 3, "total": 9,
        "created_at": "2026-01-02T03:04:05.678901Z",
    }  # fmt: skip
    if state == "finished":
        file = {"name": "demo.mp4", "media_type": "video/mp4", "size_bytes": 6}
        found |= {"done": 9, "outcome": {"facts": {"frames": 9}, "file": file}}
    return found | changes


class Gateway:
    """Gives the answers in turn, the last one for ever, and remembers what it was asked."""

    def __init__(self) -> None:
        self.answers: list[Any] = []
        self.asked: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        request.read()
        self.asked.append(request)
        if request.url.path.endswith("/result"):
            return httpx.Response(200, content=b"a film")
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return answer if isinstance(answer, httpx.Response) else httpx.Response(200, json=answer)

    @property
    def said(self) -> list[str]:
        return [f"{each.method} {each.url.raw_path.decode()}" for each in self.asked]


@pytest.fixture
def gateway(monkeypatch: pytest.MonkeyPatch) -> Gateway:
    made, real = Gateway(), httpx.Client

    @contextmanager
    def opened(url: str, token: str | None, ca: Path | None) -> Iterator[httpx.Client]:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        with real(base_url=url, headers=headers, transport=httpx.MockTransport(made)) as http:
            yield http

    monkeypatch.setattr(api, "gateway", opened)
    monkeypatch.setattr(commands, "POLL_S", 0.0)
    return made


def lipstream(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["jobs", *map(str, arguments)], obj=Options())


def test_a_file_is_sent_watched_and_fetched(gateway: Gateway, tmp_path: Path) -> None:
    audio, film = tmp_path / "speech.wav", tmp_path / "film.mp4"
    audio.write_bytes(b"RIFF")
    gateway.answers = [job("queued"), job("running"), job("finished")]
    result = lipstream("submit", "render", audio, "--avatar", "demo", "--quality", 70, "-o", film, "--token", "key")
    assert result.exit_code == 0, result.output
    assert film.read_bytes() == b"a film"
    assert gateway.said == [
        "POST /api/jobs/render?avatar=demo&quality=70", f"GET /api/jobs/{JOB}", f"GET /api/jobs/{JOB}",
        f"GET /api/jobs/{JOB}/result",
    ]  # fmt: skip
    assert gateway.asked[0].content == b"RIFF"
    assert {each.headers["authorization"] for each in gateway.asked} == {"Bearer key"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["film.mp4", "speech.wav"]


@pytest.mark.parametrize(
    ("arguments", "path", "body"),
    [
        (["export", "session-1"], "/api/jobs/export", {"session": "session-1"}),
        (["frames", "demo"], "/api/jobs/frames", {"avatar": "demo"}),
        (["frames", "demo", "--quality", "60"], "/api/jobs/frames", {"avatar": "demo", "quality": 60}),
        (["prune", "--days", "2.5"], "/api/jobs/prune", {"days": 2.5}),
        (["prune"], "/api/jobs/prune", {}),
    ],
)
def test_each_kind_is_asked_for_and_not_waited_for(
    gateway: Gateway, arguments: list[str], path: str, body: dict[str, object]
) -> None:
    gateway.answers = [job("queued")]
    result = lipstream("submit", *arguments, "--json")
    assert (result.exit_code, json.loads(result.stdout)["state"]) == (0, "queued")
    assert gateway.said == [f"POST {path}"]
    assert json.loads(gateway.asked[0].content) == body


@pytest.mark.parametrize("state", ["failed", "canceled"])
def test_a_job_that_is_waited_for_and_does_not_finish_is_exit_code_1(
    gateway: Gateway, tmp_path: Path, state: str
) -> None:
    gateway.answers = [job("queued"), job(state, error={"code": "bad_audio", "message": "it is no audio"})]
    result = lipstream("submit", "export", "session-1", "-o", tmp_path / "film.mp4")
    assert result.exit_code == 1
    assert "it is no audio" in result.stdout
    assert list(tmp_path.iterdir()) == []


def test_jobs_are_listed_a_line_each(gateway: Gateway) -> None:
    gateway.answers = [{"jobs": [job("running"), job("queued", done=0, total=0)]}]
    text = lipstream("list", "--limit", 7).stdout
    assert gateway.said == ["GET /api/jobs?limit=7"]
    assert "running" in text
    assert "3/9" in text
    assert json.loads(lipstream("list", "--json").stdout)[0] == job("running")


def test_without_jobs_that_is_said(gateway: Gateway) -> None:
    gateway.answers = [{"jobs": []}]
    assert lipstream("list").stdout == "no jobs\n"


def test_one_is_shown_with_what_came_of_it_and_saved(gateway: Gateway, tmp_path: Path) -> None:
    gateway.answers = [job("finished")]
    result = lipstream("show", JOB, "-o", tmp_path / "film.mp4")
    assert (tmp_path / "film.mp4").read_bytes() == b"a film"
    assert "video/mp4" in result.stdout
    assert json.loads(lipstream("show", JOB, "--json").stdout) == job("finished")


def test_one_is_canceled(gateway: Gateway) -> None:
    gateway.answers = [job("canceling")]
    assert json.loads(lipstream("cancel", JOB, "--json").stdout)["state"] == "canceling"
    assert gateway.said == [f"DELETE /api/jobs/{JOB}"]


@pytest.mark.parametrize(
    ("status", "body", "kind", "words"),
    [
        (404, {"error": {"code": "not_found", "message": "no job x", "field": "job"}}, InputError, "no job x"),
        (409, {"error": {"code": "conflict", "message": "it has ended"}}, InputError, "it has ended"),
        (503, {"error": {"code": "at_capacity", "message": "too many wait"}}, LipstreamError, "too many wait"),
        (502, "a proxy's page", LipstreamError, "the gateway answered 502"),
    ],
)
def test_what_the_gateway_refuses_is_told_in_its_words(
    gateway: Gateway, status: int, body: Any, kind: type[LipstreamError], words: str
) -> None:
    gateway.answers = [httpx.Response(status, json=body)]
    error = lipstream("cancel", JOB).exception
    assert type(error) is kind
    assert words in str(error)


def test_a_gateway_that_is_not_there_is_named() -> None:
    error = lipstream("list", "--url", "http://127.0.0.1:1").exception
    assert isinstance(error, LipstreamError)
    assert "cannot reach the gateway at http://127.0.0.1:1" in error.message


def test_a_file_that_is_not_there_is_a_mistake(gateway: Gateway, tmp_path: Path) -> None:
    error = lipstream("submit", "render", tmp_path / "nothing.wav").exception
    assert isinstance(error, InputError)
    assert gateway.asked == []


@contextmanager
def behind_tls(root: Authority) -> Iterator[str]:
    """The address of a gateway without jobs whose certificate is of a private authority."""
    own, context = root.sign("gateway"), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(own.file, own.key)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'{"jobs": []}')

        def log_message(self, format: str, *_: object) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"https://localhost:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_gateway_of_a_private_authority_is_asked_by_who_names_it(tmp_path: Path) -> None:
    root, stranger = authority(tmp_path, "root"), authority(tmp_path, "stranger")
    with behind_tls(root) as url:
        assert lipstream("list", "--url", url, "--ca", root.file).stdout == "no jobs\n"
        for trusted in ([], ["--ca", stranger.file]):
            error = lipstream("list", "--url", url, *trusted).exception
            assert isinstance(error, LipstreamError)
            assert "CERTIFICATE_VERIFY_FAILED" in error.message


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_what_is_no_authority_is_a_mistake(content: str | None, tmp_path: Path) -> None:
    if content:
        (tmp_path / "ca.pem").write_text(content)
    error = lipstream("list", "--ca", tmp_path / "ca.pem").exception
    assert isinstance(error, InputError)
    assert "ca.pem is no PEM of an authority" in error.message
