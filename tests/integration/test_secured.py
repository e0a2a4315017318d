"""An installation as in production: a session speaks, people look, Redis refuses everybody for a moment, all leave."""

import asyncio
import contextlib
import gc
import json
import os
import ssl
import subprocess
import time
import warnings
import wave
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest

import gateway.main
import workers.audio.main
from common.avatars.package import Avatar
from common.background.requests import ENDED
from common.errors import AccessError, BusError
from common.recording.framing import MAGIC
from common.redis_address import url_of
from common.redis_client import check_server, close
from common.redis_client import connect as open_redis
from common.settings import Settings
from lipstream_client import LipstreamClientError, connect
from tests.authority import Authority, authority
from tests.integration.installation import API_KEY, SECRETS, STAGES, WORKERS, Installation, installation
from tests.integration.redis_servers import await_that
from tests.pipeline import free_port
from tests.secured import ADMIN, secured
from tests.speech import RATE_HZ, offline, speechlike

WRONG_PASSWORD = "invalid username-password"
JOB_S = 90
pytestmark = pytest.mark.timeout(600)
POISON = {"session": "0123456789abcdef", "epoch": "3", "first": "77", "nonsense": "x"}


class Course(NamedTuple):
    """What came of it all."""

    frames: list[bytes]
    frames_after: list[bytes]
    refusals: list[tuple[str, str]]
    answers: dict[str, httpx.Response]
    looks: list["subprocess.CompletedProcess[str]"]
    exits: dict[str, int]
    tokens: list[str]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return authority(tmp_path_factory.mktemp("root"), "root")


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return authority(tmp_path_factory.mktemp("stranger"), "stranger")


@pytest.fixture(scope="module")
def installed(
    root: Authority, avatars_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp("secured")
    write_recordings(folder / "recordings")
    with installation(folder, root, avatars_folder) as made:
        yield made


def write_recordings(folder: Path) -> None:
    """One of today and one of long ago."""
    folder.mkdir()
    for name in ("new-session", "old-session"):
        (folder / f"{name}.lsrec").write_bytes(MAGIC)
    os.utime(folder / "old-session.lsrec", (0, 0))


@pytest.fixture(scope="module")
def course(installed: Installation, stranger: Authority, tmp_path_factory: pytest.TempPathFactory) -> Course:
    redis, tokens = installed.redis, list[str]()
    frames = asyncio.run(speak(installed, tokens))
    answers = ask(installed, tokens)
    asyncio.run(try_without_a_right(installed, stranger))
    redis.admin.xadd("stage:compositor", POISON)
    audio = write_wav(tmp_path_factory.mktemp("said") / "said.wav", speechlike(RATE_HZ))
    commands = (
        "top --once --json", "dead list --json", "dead purge --yes",
        f"stream {audio} --avatar tiny --url {installed.ws}/ws --ca {installed.ca} --token {API_KEY} --json",
    )  # fmt: skip
    looks = [installed.look(*command.split()) for command in commands]
    refusals = redis.refusals()
    change_passwords(installed)
    frames_after = asyncio.run(speak(installed, tokens))
    redis.refusals()
    exits = installed.stop()
    return Course(frames, frames_after, refusals + redis.refusals(), answers, looks, exits, tokens)


async def speak(installed: Installation, tokens: list[str]) -> list[bytes]:
    """A session of a second, with a barge-in before it; its pictures."""
    clip = speechlike(RATE_HZ)
    async with connect(
        installed.ws, avatar="tiny", sample_rate=RATE_HZ, pace="lossless", token=API_KEY, ca_file=installed.ca
    ) as session:
        tokens.append(session.started.resume)
        await session.send_audio(clip[: len(clip) // 4 // 2 * 2])
        await session.clear()
        await session.send_audio(clip)
        await session.end()
        return [frame.picture async for frame in session.frames()]


def write_wav(path: Path, pcm: bytes) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, RATE_HZ, 0, "NONE", ""))
        file.writeframes(pcm)
    return path


def ask(installed: Installation, tokens: list[str]) -> dict[str, httpx.Response]:
    """What operators and programs ask a gateway for."""
    trusted = ssl.create_default_context(cafile=installed.ca)
    shown = {"Authorization": f"Bearer {API_KEY}"}
    with httpx.Client(base_url=installed.http, verify=trusted, headers=shown, timeout=60) as http:
        paths = ("/readyz", "/metrics", "/api/sessions", "/api/models/tiny/stats", "/api/capacity", "/health")
        answers = {path: http.get(path) for path in paths}
        made = http.post("/api/session-tokens", json={"expires_in_s": 60})
        answers |= let_work(http)
    tokens.append(made.json()["token"])
    return answers | {"/api/session-tokens": made}


def let_work(http: httpx.Client) -> dict[str, httpx.Response]:
    """Jobs: one that is done, one that is canceled before anybody has taken it or just then, and the workers' own."""
    wanted = http.post("/api/jobs/frames", json={"avatar": "tiny"})
    unwanted = http.post("/api/jobs/frames", json={"avatar": "tiny"})
    answers = {"submit": wanted, "cancel": http.delete(f"/api/jobs/{unwanted.json()['id']}")}
    give_up_s = time.monotonic() + JOB_S
    while any(job["state"] not in ENDED for job in http.get("/api/jobs").json()["jobs"]):
        assert time.monotonic() < give_up_s, "some job does not end"
        time.sleep(0.1)
    return answers | {"job": http.get(f"/api/jobs/{wanted.json()['id']}"), "jobs": http.get("/api/jobs")}


async def try_without_a_right(installed: Installation, stranger: Authority) -> None:
    """A wrong key, a key in the address, a client that vanishes, one that trusts somebody else."""
    for token, url in (("no-such-key-at-all", installed.ws), (None, f"{installed.ws}/ws?token=no-such-key-either")):
        with contextlib.suppress(LipstreamClientError):
            async with connect(url, avatar="tiny", token=token, ca_file=installed.ca):
                pytest.fail("a stranger was let in")
    async with connect(
        f"{installed.ws}/ws?token={API_KEY}", avatar="tiny", ca_file=installed.ca, resumes=False
    ) as lost:
        lost._line._socket.transport.abort()
    with pytest.raises(LipstreamClientError, match="name the authority of its certificate") as refusal:
        async with connect(installed.ws, avatar="tiny", token=API_KEY, ca_file=stranger.file):
            pytest.fail("a gateway of an unknown authority was trusted")
    assert refusal.value.code == "untrusted"


def change_passwords(installed: Installation) -> None:
    """Until everybody has noticed, nobody is let in, as when passwords are changed at one end first."""
    admin = installed.redis.admin
    for user in installed.redis.users.values():
        admin.execute_command("ACL", "SETUSER", user.name, "resetpass", ">another-password")
        admin.execute_command("CLIENT", "KILL", "USER", user.name)
    logs = installed.logs.values()
    await_that(lambda: all(WRONG_PASSWORD in log.read_text() for log in logs), "somebody was not refused")
    for user in installed.redis.users.values():
        admin.execute_command("ACL", "SETUSER", user.name, f">{user.password}")


def test_a_session_speaks_where_every_process_has_its_own_user_and_everything_goes_over_tls(
    course: Course, tiny_avatar: Avatar
) -> None:
    assert course.frames[-25:] == offline(tiny_avatar, speechlike(RATE_HZ), RATE_HZ)


def test_no_user_was_refused_anything_that_its_process_does(course: Course) -> None:
    assert course.refusals == []


def test_who_may_look_sees_it_all(course: Course) -> None:
    assert {path: answer.status_code for path, answer in course.answers.items()} == dict.fromkeys(course.answers, 200)
    assert [(look.returncode, look.stderr) for look in course.looks] == [(0, "")] * len(course.looks)
    assert course.answers["job"].json()["state"] == "finished"
    _, dead, _, streamed = (look.stdout for look in course.looks)
    (letter,) = json.loads(dead)
    assert letter["session"] == POISON["session"]
    assert json.loads(streamed)["frames"] == 25


def test_an_old_recording_goes_by_itself(course: Course) -> None:
    (prune,) = (job for job in course.answers["jobs"].json()["jobs"] if job["request"]["kind"] == "prune")
    assert prune["outcome"]["facts"] == {"pruned": ["old-session"], "days": 30}


def test_processes_outlive_a_moment_in_which_redis_refuses_their_users(course: Course, tiny_avatar: Avatar) -> None:
    assert course.frames_after[-25:] == offline(tiny_avatar, speechlike(RATE_HZ), RATE_HZ)
    assert {role: code for role, code in course.exits.items() if role in WORKERS} == dict.fromkeys(WORKERS, 0)


def test_every_line_of_every_log_is_a_json_object_that_says_whose_it_is(
    course: Course, installed: Installation
) -> None:
    for stage in STAGES:
        records = installed.records(stage)
        assert records[-1]["message"].startswith(f"{stage} worker drained")
        (worker,) = {record["worker"] for record in records if "worker" in record}
        assert worker in records[-1]["worker"]
        assert {record["stage"] for record in records if "stage" in record} == {stage}
    every = [record for role in installed.logs for record in installed.records(role)]
    assert all(record.keys() >= {"time", "level", "logger", "message"} for record in every)


def test_records_name_the_session_and_the_frame_that_they_are_about(course: Course, installed: Installation) -> None:
    (given_up,) = [r for r in installed.records("compositor") if "gives up" in r["message"]]
    assert (given_up["session"], given_up["epoch"], given_up["frame"]) == ("0123456789abcdef", "3", "77")
    gone = [r for r in installed.records("gateway") if "the client has gone" in r["message"]]
    assert gone
    assert all(record["session"] in record["message"] for record in gone)
    assert all(record["gateway"] for record in gone)


def test_no_secret_is_in_any_log(course: Course, installed: Installation, root: Authority) -> None:
    passwords = [user.password for user in installed.redis.users.values()]
    keys = [line for path in root.key.parent.glob("*.key") for line in path.read_text().splitlines()[1:-1]]
    secrets = [API_KEY, *SECRETS.values(), ADMIN, *passwords, *keys, *course.tokens, "no-such-key", "another-password"]
    for role, log in installed.logs.items():
        text = log.read_text()
        assert WRONG_PASSWORD in text, f"{role} was to be refused for a moment"
        for secret in secrets:
            assert secret not in text, f"{role} logs {secret}"


def settings_of(redis_url: str, avatars: Path, **changes: Any) -> Settings:
    return Settings(redis_url=redis_url, avatars_dir=avatars, avatars=("tiny",), port=free_port(), **changes)


def refusal_of(run: Callable[[Settings], None], settings: Settings) -> str:
    """With which words a process does not start."""
    # redis-py does not wait until a TLS connection that it gives up is closed; here the process lives on.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        try:
            run(settings)
        except AccessError as error:
            words = error.message
        else:
            pytest.fail("the process was let in")
        gc.collect()
    return words


def test_a_start_with_a_wrong_password_or_anothers_user_or_authority_says_what_to_do(
    root: Authority, stranger: Authority, avatars_folder: Path, tmp_path: Path
) -> None:
    with secured(tmp_path, root) as redis:
        mine, other = redis.url_of("audio"), redis.url_of("compositor")
        faults = {
            "set user and password in redis_url": (mine.replace(redis.users["audio"].password, "wrong"), root),
            "not that of this process' role": (other, root),
            "name the authority of its certificate in redis_ca_file": (mine, stranger),
        }
        for words, (url, trusted) in faults.items():
            settings = settings_of(url, avatars_folder, redis_ca_file=trusted.file)
            for run in (workers.audio.main.run, gateway.main.run):
                assert words in refusal_of(run, settings)
        settings = settings_of(mine, avatars_folder, redis_ca_file=root.file)
        assert "not that of this process' role" in refusal_of(gateway.main.run, settings)


def test_a_redis_that_asks_for_a_certificate_gets_ours(
    root: Authority, stranger: Authority, avatars_folder: Path, tmp_path: Path
) -> None:
    with secured(tmp_path, root, asks_for_certificates=True) as redis:
        url = redis.url_of("audio")
        for signer in (None, stranger):
            own = signer and signer.sign("audio")
            files = {"redis_cert_file": own and own.file, "redis_key_file": own and own.key}
            settings = settings_of(url, avatars_folder, redis_ca_file=root.file, **files)
            assert "set redis_cert_file and redis_key_file" in refusal_of(workers.audio.main.run, settings)
        own = root.sign("audio")
        files = {"redis_cert_file": own.file, "redis_key_file": own.key}
        settings = settings_of(url, avatars_folder, redis_ca_file=root.file, **files)
        assert asyncio.run(version_of(settings))[0].isdigit()


async def version_of(settings: Settings) -> str:
    redis = open_redis(url_of(settings))
    try:
        return await check_server(redis)
    finally:
        await close(redis)


def test_a_server_without_tls_is_no_server_for_us(avatars_folder: Path, root: Authority, tmp_path: Path) -> None:
    with secured(tmp_path) as redis:
        url = redis.url_of("audio").replace("redis://", "rediss://")
        settings = settings_of(url, avatars_folder, redis_ca_file=root.file)
        with pytest.raises(BusError, match="cannot reach Redis"):
            workers.audio.main.run(settings)
