"""The command as users meet it: results on stdout, one clear line on stderr, exit codes, no traceback."""

import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from cli.main import main
from common.acl import ROLES
from tests.pipeline import free_port


class Result(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture
def lipstream(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Iterator["Command"]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    monkeypatch.chdir(tmp_path)
    yield Command(monkeypatch, capsys)
    # Commands that serve set the log up for their process, which here is that of the tests.
    root.handlers[:] = handlers
    root.setLevel(level)


class Command(NamedTuple):
    """Runs the command in this process."""

    monkeypatch: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]

    def __call__(self, *arguments: object) -> Result:
        self.monkeypatch.setattr(sys, "argv", ["lipstream", *map(str, arguments)])
        with pytest.raises(SystemExit) as caught:
            main()
        return Result(int(caught.value.code or 0), *self.capsys.readouterr())


def test_render_prints_what_it_made(lipstream: Command, speech_file: Path, avatars_folder: Path) -> None:
    arguments = ("render", speech_file, "--avatar", "tiny", "--avatars-dir", avatars_folder)
    result = lipstream(*arguments, "-o", "out.mp4", "--frames", "frames", "--json")
    assert (result.code, result.err) == (0, "")
    report = json.loads(result.out)
    assert (report["frames"], report["output"], report["frames_dir"]) == (25, "out.mp4", "frames")
    assert Path("out.mp4").stat().st_size > 1_000
    assert len(list(Path("frames").iterdir())) == 25
    text = lipstream(*arguments, "--frames", "frames")
    assert text.out.startswith("25 frames of 'tiny', 1.00 s in ")
    assert text.out.endswith("x real time) -> frames\n")


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (["render", "nothing.wav", "-o", "o.mp4"], 2, "error: cannot read nothing.wav: No such file or directory"),
        (["render", "{speech}"], 2, "error: say where the result goes"),
        (["render", "{speech}", "-o", "o.mp4", "--avatar", "nobody"], 2, "error: unknown avatar 'nobody'"),
        (["render", "{speech}", "-o", "o.mp4", "--provider", "tpu"], 2, "error: provider: Input should be 'cpu' or"),
        (["render", "{speech}", "-o", "o.mp4", "--config", "no.yaml"], 2, "error: cannot read no.yaml"),
        (["stream", "{speech}", "--url", "ws://127.0.0.1:1"], 1, "error: cannot reach ws://127.0.0.1:1"),
        (["stream", "{speech}", "--url", "http://x"], 1, "error: http://x is not a ws:// or wss:// address"),
        (["gateway", "--redis-url", "smtp://x"], 1, "error: redis_url: "),
        (["worker", "audio", "--redis-url", "redis://127.0.0.1:1", "--config", "{config}"], 1, "error: cannot reach"),
        (["up", "--avatars", "nobody", "--port", "{port}"], 2, "error: unknown avatar 'nobody'"),
        (["up", "--port", "70000"], 2, "error: port: Input should be less than or equal to 65535"),
        (["avatar", "show", "nobody"], 2, "error: unknown avatar 'nobody'"),
    ],
)
def test_an_error_is_one_line_and_an_exit_code(
    lipstream: Command,
    speech_file: Path,
    avatars_folder: Path,
    unused_tcp_port: int,
    arguments: list[str],
    code: int,
    text: str,
) -> None:
    Path("config.yaml").write_text(f"avatars_dir: {avatars_folder}\navatars: [tiny]\n")
    values = {"speech": speech_file, "config": "config.yaml", "port": unused_tcp_port}
    result = lipstream(*(argument.format(**values) for argument in arguments))
    assert result.code == code
    assert result.err.splitlines()[-1].startswith(text)
    assert "Traceback" not in result.err
    assert result.out == ""


def test_debug_shows_where_an_error_comes_from(lipstream: Command) -> None:
    result = lipstream("--debug", "render", "nothing.wav", "-o", "o.mp4")
    assert "Traceback" in result.err
    assert result.err.splitlines()[-1].startswith("error: cannot read nothing.wav")


@pytest.mark.parametrize("arguments", [["worker", "paint"], ["render"], ["stream", "a", "--chunk-ms", "0"], ["--no"]])
def test_a_wrong_command_line_shows_the_usage(lipstream: Command, arguments: list[str]) -> None:
    result = lipstream(*arguments)
    assert (result.code, result.err.startswith("Usage: lipstream")) == (2, True)


def test_settings_come_from_the_yaml_file(lipstream: Command, avatars_folder: Path) -> None:
    Path("config.yaml").write_text(f"avatars_dir: {avatars_folder}\n")
    result = lipstream("avatar", "list", "--json", "--config", "config.yaml")
    assert [avatar["name"] for avatar in json.loads(result.out)] == ["reference", "tiny"]


def test_avatars_are_listed_and_a_broken_one_says_why(lipstream: Command, tmp_path: Path) -> None:
    (tmp_path / "avatars" / "broken").mkdir(parents=True)
    (tmp_path / "avatars" / "broken" / "avatar.json").write_text("{}")
    [record] = json.loads(lipstream("avatar", "list", "--json", "--avatars-dir", tmp_path / "avatars").out)
    assert record["name"] == "broken"
    assert "broken/avatar.json" in record["error"]
    assert "broken" in lipstream("avatar", "list", "--avatars-dir", tmp_path / "avatars").out


def test_an_avatar_is_shown_with_its_facts(lipstream: Command, avatars_folder: Path) -> None:
    facts = json.loads(lipstream("avatar", "show", "tiny", "--json", "--avatars-dir", avatars_folder).out)
    assert (facts["fps"], facts["size"], facts["mouth"]) == (25, "256x160", "96x64")
    assert facts["lookahead_ms"] > 0
    text = lipstream("avatar", "show", "tiny", "--avatars-dir", avatars_folder).out
    assert all(str(value) in text for value in (facts["licence"], facts["models"], facts["lookahead_ms"]))


def test_the_doctor_reports_in_json_and_its_exit_code_says_whether_all_is_well(
    lipstream: Command, avatars_folder: Path, unused_tcp_port: int
) -> None:
    Path("config.yaml").write_text(f"avatars_dir: {avatars_folder}\navatars: [tiny]\nport: {unused_tcp_port}\n")
    well = lipstream("doctor", "--json", "--config", "config.yaml")
    assert (well.code, json.loads(well.out)["ok"]) == (0, True)
    Path("config.yaml").write_text(f"avatars_dir: {avatars_folder}\navatars: [nobody]\nport: {unused_tcp_port}\n")
    ill = lipstream("doctor", "--config", "config.yaml")
    assert ill.code == 1
    assert "unknown avatar 'nobody'" in " ".join(ill.out.split())


def test_help_imports_nothing_heavy() -> None:
    heavy = ("numpy", "av", "onnxruntime", "redis", "uvicorn", "cv2")
    code = (
        "import sys\nfrom cli.main import main\nsys.argv = ['lipstream', '--help']\n"
        f"try:\n    main()\nexcept SystemExit:\n    print([m for m in {heavy!r} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.splitlines()[-1] == "[]"


def test_where_logs_are_json_the_last_word_is_too(lipstream: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIPSTREAM_LOG_FORMAT", "json")
    result = lipstream("gateway", "--redis-url", "redis://127.0.0.1:1", "--port", free_port())
    last = json.loads(result.err.splitlines()[-1])
    assert (result.code, last["level"]) == (1, "critical")
    assert last["message"].startswith("cannot reach Redis")
    logging.captureWarnings(False)


def test_users_of_redis_are_printed_as_commands_a_file_or_json(
    lipstream: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path(".env").write_text("".join(f"REDIS_PASSWORD_{role.upper()}=of-the-{role}\n" for role in (*ROLES, "admin")))
    monkeypatch.setenv("REDIS_PASSWORD_AUDIO", "of-the-environment")
    (line,) = lipstream("acl", "--role", "audio").out.splitlines()
    assert line.startswith("ACL SETUSER lipstream-audio reset on >of-the-environment +ping")
    assert len(lipstream("acl", "--file").out.splitlines()) == len(ROLES) + 2
    (user,) = json.loads(lipstream("acl", "--role", "jobs", "--redis-url", "rediss://redis:6380/0", "--json").out)
    assert user["redis_url"] == "rediss://lipstream-jobs:of-the-jobs@redis:6380/0"
    assert lipstream("acl", "--role", "nobody").code == 2
