"""`lipstream up`: the parts of it, and one whole run with real processes and a real Redis."""

import asyncio
import io
import os
import signal
import ssl
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer, ThreadingHTTPServer
from itertools import takewhile
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from rich.console import Console

from cli.stream import Request, stream
from cli.up import children_of, environment_of, local_host, missing_parts, prefixed, up, workers_of
from common.errors import AvatarError, BusError, SettingsError
from common.settings import Settings, load
from tests.authority import authority
from workers.offline.media import Clip


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"redis_url": "redis://:secret@10.0.0.1:6379/3", "port": 3456, "avatars": ("a", "b"), "max_wait_ms": 0.5},
        {"avatars_dir": Path("/some where/avatars"), "log_level": "debug"},
        {"api_keys": "app:app-secret:with-colon,ops:ops-secret-ops-secret", "session_secret": "0123456789abcdef" * 2},
        {
            "redis_url": "rediss+sentinel://one,two/talk",
            "redis_username": "me",
            "redis_password": "p",
            "redis_ca_file": Path("/ca.pem"),
            "sentinel_password": "q",
            "log_format": "json",
            "otel_endpoint": "http://collector:4318",
        },
        {"openai_api_key": "sk-123", "open_to_all": True, "allowed_origins": ("https://a.example", "*")},
    ],
)
def test_children_get_exactly_the_settings_of_their_parent(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, changes: dict[str, object]
) -> None:
    settings = load(env_file=tmp_path / "none", **changes)
    for name, value in environment_of(settings).items():
        monkeypatch.setenv(name, value)
    (tmp_path / ".env").write_text("LIPSTREAM_JPEG_QUALITY=1\n")
    assert load(env_file=tmp_path / ".env").model_dump() == settings.model_dump()


def test_there_is_one_gateway_and_as_many_workers_of_each_stage_as_asked_for(settings: Settings) -> None:
    one, two = (workers_of(settings, 8, count) for count in (1, 2))
    assert [child.name for child in children_of(settings, one)] == ["gateway", *one, "jobs"]
    names = [child.name for child in children_of(settings, two)]
    assert names[1:] == ["audio-1", "audio-2", "inference-1", "inference-2", "compositor-1", "compositor-2", "jobs"]
    assert children_of(settings, two)[-2].command[-2:] == ["worker", "compositor"]


def test_on_a_redis_cluster_there_is_no_worker_of_background_jobs(settings: Settings) -> None:
    on_cluster = changed(settings, redis_url="redis+cluster://10.0.0.1:7000")
    assert "jobs" not in [child.name for child in children_of(on_cluster, {"audio": 1})]


@pytest.mark.parametrize(
    ("cores", "changes", "models"),
    [
        (1, {}, 1),
        (2, {}, 2),
        (64, {}, 4),
        (8, {"model_threads": 4}, 2),
        (2, {"model_threads": 8}, 1),
        (8, {"provider": "cuda"}, 1),
    ],
)
def test_unasked_there_are_as_many_models_as_the_cores_can_run(
    settings: Settings, cores: int, changes: dict[str, object], models: int
) -> None:
    found = workers_of(changed(settings, **changes), cores, None)
    assert found == {"audio": 1, "inference": models, "compositor": 1}


def test_log_lines_carry_the_aligned_name_in_a_colour_of_its_own() -> None:
    plain = io.StringIO()
    log = prefixed(Console(file=plain, width=20), ["gateway", "audio"])
    log("gateway", "one [bold]line[/] that is longer than the terminal")
    log("audio", "two")
    lines = plain.getvalue().splitlines()
    assert lines == ["gateway | one [bold]line[/] that is longer than the terminal", "audio   | two"]
    coloured = io.StringIO()
    log = prefixed(Console(file=coloured, force_terminal=True, color_system="standard"), ["gateway", "audio"])
    log("gateway", "x")
    log("audio", "x")
    first, second = (line.partition("m")[0] for line in coloured.getvalue().splitlines())
    assert first != second


def changed(settings: Settings, **changes: object) -> Settings:
    return Settings(**(settings.model_dump(exclude_unset=True) | changes))


def test_a_taken_port_stops_it_before_anything_is_started(settings: Settings, taken_port: int) -> None:
    with pytest.raises(SettingsError, match=f"127.0.0.1:{taken_port}.*--port"):
        up(changed(settings, port=taken_port), 1, Console(file=io.StringIO()))


def test_serving_others_without_a_key_stops_it_before_anything_is_started(settings: Settings) -> None:
    with pytest.raises(SettingsError, match="LIPSTREAM_API_KEYS"):
        up(changed(settings, host="0.0.0.0"), 1, Console(file=io.StringIO()))


def test_an_unknown_avatar_stops_it_before_anything_is_started(settings: Settings, unused_tcp_port: int) -> None:
    with pytest.raises(AvatarError, match="unknown avatar 'nobody'"):
        up(changed(settings, port=unused_tcp_port, avatars=("nobody",)), 1, Console(file=io.StringIO()))


def test_a_redis_that_was_named_and_is_not_there_stops_it(settings: Settings, unused_tcp_port: int) -> None:
    console = Console(file=io.StringIO())
    with pytest.raises(BusError, match="cannot reach Redis"):
        up(changed(settings, port=unused_tcp_port, redis_url="redis://127.0.0.1:1"), 1, console)


@pytest.mark.parametrize(
    ("status", "body", "missing"),
    [
        (200, b'{"ready": true, "missing": []}', []),
        (503, b'{"ready": false, "missing": ["inference", "compositor"]}', ["inference", "compositor"]),
        (500, b"oops", ["gateway"]),
    ],
)
def test_the_gateway_is_asked_what_is_missing(status: int, body: bytes, missing: list[str]) -> None:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/readyz" else 404)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Quiet."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        assert missing_parts("127.0.0.1", server.server_port) == missing
        thread.join()


def test_a_gateway_that_does_not_answer_is_itself_missing(unused_tcp_port: int) -> None:
    assert missing_parts("127.0.0.1", unused_tcp_port) == ["gateway"]


def test_a_server_on_all_addresses_is_reached_on_this_machine() -> None:
    assert [local_host(host) for host in ("0.0.0.0", "::", "10.1.2.3")] == ["127.0.0.1", "::1", "10.1.2.3"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_whole_run_serves_and_ends_without_a_trace(
    tmp_path: Path,
    avatars_folder: Path,
    unused_tcp_port: int,
    speech: NDArray[np.int16],
    number: signal.Signals,
) -> None:
    arguments = ["--port", str(unused_tcp_port), "--avatars", "tiny", "--avatars-dir", str(avatars_folder)]
    with subprocess.Popen(
        [sys.executable, "-u", "-m", "cli", "up", *arguments],
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if "Lipstream is ready" in line:
                break
        else:
            pytest.fail("it ended before it was ready")
        panel = list(takewhile(lambda line: "Ctrl-C" not in line, process.stdout))
        children = children_pids(process.pid)
        request = Request(Clip(speech, 24_000), f"ws://127.0.0.1:{unused_tcp_port}", "tiny", 40, False)
        summary = asyncio.run(stream(request))
        process.send_signal(number)
        rest = process.stdout.read()
        assert process.wait(30) == 0, rest
    assert (summary.frames, summary.concealed) == (25, 0)
    assert "unix:///" in "".join(panel), "who looks inside needs the address"
    assert len(children) == len(["redis", "gateway", "jobs"]) + sum(
        workers_of(Settings(), os.cpu_count() or 1, None).values()
    )
    assert not [pid for pid in children if Path(f"/proc/{pid}").exists()]
    assert list(tmp_path.glob("lipstream*")) == []
    assert "Traceback" not in rest


def children_pids(parent: int) -> list[int]:
    listed = subprocess.run(["ps", "-o", "pid=", "--ppid", str(parent)], capture_output=True, text=True, check=True)
    return [int(pid) for pid in listed.stdout.split()]


def test_a_gateway_with_tls_is_asked_over_it_whatever_its_certificate_is_for(tmp_path: Path) -> None:
    own, context = authority(tmp_path, "root").sign("another-name"), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(own.file, own.key)

    class Gateway(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(503)
            self.end_headers()
            self.wfile.write(b'{"missing": ["audio"]}')

        def log_message(self, format: str, *_: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Gateway)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    assert missing_parts("127.0.0.1", server.server_port, tls=True) == ["audio"]
    server.shutdown()
    thread.join()
    server.server_close()
