"""A session is recorded, and run again: the pictures are the same."""

import asyncio
import errno
import json
import os
import shutil
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import httpx
import pytest
import pytest_asyncio
from typer.testing import CliRunner

from cli.main import Options, app
from cli.replay.digests import DigestError
from cli.replay.load import load as load_all
from cli.replay.load import row
from cli.replay.run import Outcome, Request, run
from common.avatars.package import Avatar, load
from common.recording import framing
from common.recording.hashes import hash_of
from common.recording.recording import Recording, is_concealed, read
from common.recording.records import Frame as RecordedFrame
from common.recording.records import Header, Record, decode, encode
from common.recording.store import store_at
from common.settings import Settings
from lipstream_client import Frame, LipstreamClientError, Resumed, connect
from tests.integration.cut_off import beside, cut
from tests.pipeline import running, until
from tests.recorded import record, recording_of, speak
from tests.speech import RATE_HZ, offline, speechlike
from workers.offline.replay import Offline

AVATARS = ("tiny", "reference")


def request(folder: Path, **changes: Any) -> Request:
    return Request(Settings(avatars=AVATARS), lambda name: load(folder, name), **{"verify": True} | changes)


def check_same(recording: Recording, outcome: Outcome) -> None:
    assert outcome.difference is None, outcome.as_text()
    assert outcome.compared == len(recording.comparable()) > 0


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def spoken(
    redis_server: str, avatars_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, bytes]:
    """Id and recording of some 10 s: flushes, pauses, barge-ins, two switches."""
    folder = tmp_path_factory.mktemp("recordings")
    recorded = {"record": "asked", "recordings_url": str(folder)}
    async with running(redis_server, avatars_folder, avatars=AVATARS, **recorded) as pipeline:
        recording, frames = await record(pipeline.url, folder, rounds=2)
    assert recording.is_whole
    inputs = [taken.input.input for taken in recording.inputs]
    assert (inputs.count("clear"), inputs.count("switch"), inputs.count("flush")) == (4, 2, 2)
    assert inputs.count("pause") >= 2
    given = {recording.key_of(frame.epoch, frame.frame) for frame in frames}
    assert given <= recording.frames.keys()
    # A barge-in may meet frames that have left and are given out no more.
    assert {key.epoch for key in recording.frames.keys() - given} <= set(range(inputs.count("clear")))
    [data] = store_at(str(folder)).contents(recording.header.session)
    return recording.header.session, data


@pytest.fixture
def session(spoken: tuple[str, bytes], tmp_path: Path) -> Recording:
    """That recording, in a folder of its own."""
    sid, data = spoken
    (tmp_path / f"{sid}.lsrec").write_bytes(data)
    return read([data])


async def test_a_session_runs_again_to_the_same_pictures_whatever_the_pace_and_the_workers(
    redis_server: str, avatars_folder: Path, session: Recording
) -> None:
    check_same(session, await run(session, request(avatars_folder)))
    for count, speed in ((3, 1.0), (1, 4.0), (3, 4.0), (1, None), (3, None)):
        async with running(redis_server, avatars_folder, count=count, avatars=AVATARS) as pipeline:
            check_same(session, await run(session, request(avatars_folder, url=pipeline.url, speed=speed)))


async def test_a_recording_that_broke_off_runs_up_to_where_it_did(
    redis_server: str, avatars_folder: Path, session: Recording, tmp_path: Path
) -> None:
    [data] = store_at(str(tmp_path)).contents(session.header.session)
    whole = list(session.comparable())
    seen = set()
    async with running(redis_server, avatars_folder, avatars=AVATARS) as pipeline:
        for tenths in (2, 5, 7, 9):
            torn = read([data[: len(data) * tenths // 10 + 3]])
            assert not torn.is_whole
            assert list(torn.comparable()) == whole[: len(torn.comparable())]
            check_same(torn, await run(torn, request(avatars_folder)))
            check_same(torn, await run(torn, request(avatars_folder, url=pipeline.url)))
            seen.add(len(torn.frames))
    assert len(seen) == 4


async def test_a_session_that_went_on_at_another_gateway_is_one_recording(
    redis_server: str, avatars_folder: Path, tmp_path: Path
) -> None:
    pcm = speechlike(int(1.5 * RATE_HZ), 1)
    recorded = {"record": "all", "recordings_url": str(tmp_path)}
    async with running(redis_server, avatars_folder, **recorded) as pipeline, beside(pipeline) as other:
        async with connect([pipeline.url, other], avatar="tiny", sample_rate=RATE_HZ, pace="lossless") as talk:

            async def say() -> None:
                for _ in range(2):
                    await speak(talk, pcm)
                    await talk.flush()
                await talk.end()

            saying, frames, resumed = asyncio.create_task(say()), 0, 0
            async for item in talk:
                resumed += isinstance(item, Resumed)
                frames += isinstance(item, Frame)
                if isinstance(item, Frame) and item.frame in (10, 45):
                    cut(talk)
            await saying
        sid = talk.started.session
        await until(lambda: len(store_at(str(tmp_path)).contents(sid)) == 3)
        recording = await recording_of(tmp_path, sid)
    assert resumed == 2
    assert [header.audio > 0 for header in recording.headers] == [False, True, True]
    assert (recording.holes, len(recording.frames), frames) == ([], 76, 76)
    check_same(recording, await run(recording, request(avatars_folder)))


async def test_patches_of_another_quality_run_again_too(
    redis_server: str, avatars_folder: Path, tmp_path: Path
) -> None:
    recorded = {"record": "all", "recordings_url": str(tmp_path)}
    async with running(redis_server, avatars_folder, **recorded) as pipeline:
        async with connect(
            pipeline.url, avatar="tiny", sample_rate=RATE_HZ, output="patch", quality=60, idle="server"
        ) as talk:
            await speak(talk, speechlike(RATE_HZ, 1), burst=True)
            await talk.end()
            assert [frame async for frame in talk.frames()]
        recording = await recording_of(tmp_path, talk.started.session)
        assert len(recording.frames) == 25
        check_same(recording, await run(recording, request(avatars_folder)))
        check_same(recording, await run(recording, request(avatars_folder, url=pipeline.url)))


async def test_a_byte_of_a_model_is_missed_before_any_frame_is_compared(
    redis_server: str, avatars_folder: Path, session: Recording, tmp_path: Path
) -> None:
    folder = tmp_path / "avatars"
    shutil.copytree(avatars_folder, folder)
    model = folder / "tiny" / "painter.onnx"
    data = bytearray(model.read_bytes())
    data[-1] ^= 1
    model.write_bytes(data)
    with pytest.raises(DigestError, match=r"tiny/painter\.onnx is "):
        await run(session, request(folder))
    async with running(redis_server, folder, avatars=AVATARS) as pipeline:
        with pytest.raises(DigestError, match=r"tiny/painter\.onnx is "):
            await run(session, request(avatars_folder, url=pipeline.url))


async def test_the_first_difference_is_told_and_shown(
    redis_server: str, avatars_folder: Path, session: Recording, tmp_path: Path
) -> None:
    """A gateway that does what it was not asked for: what was recorded can be made again here, and is shown beside."""
    keys = list(session.comparable())
    async with running(redis_server, avatars_folder, avatars=AVATARS, jpeg_quality=60) as pipeline:
        session.headers[0] = session.header._replace(quality=84)  # no client can ask for that
        for key in keys:
            session.frames[key] = session.frames[key]._replace(hash=bytes(8))
        for shown in Offline(Settings(avatars=AVATARS), lambda name: load(avatars_folder, name)).run(session):
            if shown.key in keys:
                session.frames[shown.key] = session.frames[shown.key]._replace(hash=hash_of(shown.picture))
        outcome = await run(session, request(avatars_folder, url=pipeline.url, evidence=tmp_path / "seen"))
    assert outcome.difference is not None
    assert (outcome.difference.key, outcome.compared) == (keys[0], 1)
    assert [path.stem.rpartition("-")[2] for path in outcome.evidence] == ["recorded", "replayed", "difference"]
    recorded, replayed, difference = (cv2.imread(str(path)) for path in outcome.evidence)
    assert 0 < difference.max() == min(255, 8 * cv2.absdiff(recorded, replayed).max())


async def test_a_picture_that_nobody_has_is_not_made_up(
    avatars_folder: Path, session: Recording, tmp_path: Path
) -> None:
    key = list(session.comparable())[5]
    session.frames[key] = session.frames[key]._replace(hash=bytes(8))
    outcome = await run(session, request(avatars_folder, evidence=tmp_path / "seen"))
    assert outcome.difference is not None
    assert (outcome.difference.key, outcome.compared) == (key, 6)
    assert [path.stem.rpartition("-")[2] for path in outcome.evidence] == ["replayed"]
    assert "recorded 0000000000000000, replayed " in outcome.as_text()


async def test_frames_that_do_not_come_are_a_difference(avatars_folder: Path, session: Recording) -> None:
    key = list(session.comparable())[-1]
    session.frames[key._replace(offset=10_000)] = session.frames[key]
    outcome = await run(session, request(avatars_folder))
    assert outcome.difference is not None
    assert outcome.difference.shown is None
    assert outcome.as_text().endswith("was recorded and did not come")


async def test_a_store_that_fails_stops_the_recording_and_not_the_session(
    redis_server: str, avatars_folder: Path, tmp_path: Path
) -> None:
    place = tmp_path / "file"
    place.write_bytes(b"in the way")
    async with (
        running(redis_server, avatars_folder, record="all", recordings_url=str(place)) as pipeline,
        connect(pipeline.url, avatar="tiny", sample_rate=RATE_HZ) as talk,
    ):
        assert talk.started.recording
        speaking = asyncio.create_task(speak(talk, speechlike(RATE_HZ, 1)))
        with pytest.raises(LipstreamClientError, match="its recording has stopped") as caught:
            async for _ in talk:
                pass
        assert caught.value.code == "recording_stopped"
        await speaking
        await talk.end()
        assert [frame async for frame in talk.frames()]
    assert talk.ended is not None
    assert talk.ended.frames == 25


async def test_a_disk_that_fills_up_stops_the_recording_and_costs_no_frame(
    redis_server: str, avatars_folder: Path, tiny_avatar: Avatar, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pcm, pictures, errors = speechlike(3 * RATE_HZ, 1), list[bytes](), list[str]()
    async with (
        running(redis_server, avatars_folder, record="all", recordings_url=str(tmp_path)) as pipeline,
        connect(pipeline.url, avatar="tiny", sample_rate=RATE_HZ, pace="lossless") as talk,
    ):

        async def say() -> None:
            await speak(talk, pcm)
            await talk.end()

        saying = asyncio.create_task(say())
        while talk.ended is None:
            try:
                async for frame in talk.frames():
                    pictures.append(frame.picture)
                    if frame.frame == 20:
                        fill(tmp_path)
            except LipstreamClientError as error:
                errors.append(error.code)
        await saying
        recording = read(store_at(str(tmp_path)).contents(talk.started.session))
    assert errors == ["recording_stopped"]
    (said,) = [each.getMessage() for each in caplog.records if each.name == "gateway.recorder"]
    assert said.endswith(f"its recording has stopped: OSError: [Errno {errno.ENOSPC}] {os.strerror(errno.ENOSPC)}")
    assert pictures == offline(tiny_avatar, pcm, RATE_HZ)
    assert (talk.ended.frames, talk.ended.concealed) == (75, 0)
    # What was written before can be run again.
    assert not recording.is_whole
    assert 10 < len(recording.frames) < 40
    check_same(recording, await run(recording, request(avatars_folder)))


def fill(folder: Path) -> None:
    """The disk is full from now on: the kernel takes nothing more for the files of a folder that are open here."""
    with open("/dev/full", "wb") as full:
        for link in Path("/proc/self/fd").iterdir():
            with suppress(FileNotFoundError):
                if link.readlink().parent == folder:
                    os.dup2(full.fileno(), int(link.name), inheritable=False)


@pytest.mark.parametrize(
    ("setting", "asked", "answer"),
    [("off", None, False), ("asked", None, False), ("asked", True, True), ("all", None, True), ("all", True, True),
     ("off", True, "no session"), ("all", False, "every session")],
)  # fmt: skip
async def test_a_client_knows_whether_it_is_recorded(
    redis_server: str, avatars_folder: Path, tmp_path: Path, setting: str, asked: bool | None, answer: bool | str
) -> None:
    async with running(redis_server, avatars_folder, record=setting, recordings_url=str(tmp_path)) as pipeline:
        if isinstance(answer, str):
            with pytest.raises(LipstreamClientError, match=f"this server records {answer}") as caught:
                async with connect(pipeline.url, avatar="tiny", record=asked):
                    pytest.fail("what it asked for is not done")
            assert (caught.value.field, caught.value.limit) == ("record", setting)
        else:
            async with connect(pipeline.url, avatar="tiny", record=asked) as talk:
                assert talk.started.recording is answer
            await until(lambda: not pipeline.gateway.sessions)
            await until(lambda: len(store_at(str(tmp_path)).entries()) == int(answer))


async def test_a_folder_of_recordings_is_a_load(redis_server: str, avatars_folder: Path, session: Recording) -> None:
    other = replace(session, headers=[session.header._replace(avatar={"avatar": "nobody"})], digests={})
    async with running(redis_server, avatars_folder, count=2, avatars=AVATARS) as pipeline:
        results = await load_all([session, other], 3, request(avatars_folder, url=pipeline.url))
    rows = [row(*result) for result in results]
    assert (rows[0]["result"], rows[2]["result"]) == ("same", "same")
    assert "unknown avatar 'nobody'" in rows[1]["result"]
    assert rows[0]["frames"] >= len(session.frames)
    assert rows[0]["p95_ms"] > 0


async def test_a_load_in_which_a_recording_differs_is_exit_code_1(
    redis_server: str, avatars_folder: Path, spoken: tuple[str, bytes], tmp_path: Path
) -> None:
    sid, data = spoken
    folder = tmp_path / "recordings"
    folder.mkdir()
    (folder / f"{sid}.lsrec").write_bytes(data)
    (folder / "another-session.lsrec").write_bytes(_with_a_wrong_hash(data, "another-session"))
    async with running(redis_server, avatars_folder, avatars=AVATARS) as pipeline:
        command = ["replay", str(folder), "--load", "2", "--url", pipeline.url, "--json"]
        places = ["--avatars-dir", str(avatars_folder), "--evidence", str(tmp_path / "seen")]
        result = await asyncio.to_thread(CliRunner().invoke, app, [*command, *places], obj=Options())
    assert result.exit_code == 1, result.output
    assert {each["session"]: each["result"] for each in json.loads(result.stdout)} == {
        sid: "same", "another-session": "differs",
    }  # fmt: skip
    assert {path.name.partition("-")[0] for path in (tmp_path / "seen").iterdir()} == {"another"}


def _with_a_wrong_hash(data: bytes, session: str) -> bytes:
    """The recording under another name, and a wrong hash of the last frame that was not concealed."""
    records = [record for content in framing.unpack(data).contents if (record := decode(content))]
    frames = [each for each in records if isinstance(each, RecordedFrame) and not is_concealed(each)]

    def changed(record: Record) -> Record:
        if isinstance(record, Header):
            return record._replace(session=session)
        return frames[-1]._replace(hash=bytes(8)) if record is frames[-1] else record

    return framing.MAGIC + b"".join(framing.pack(encode(changed(each))) for each in records)


async def test_recordings_are_listed_and_removed_over_http(
    redis_server: str, avatars_folder: Path, session: Recording, tmp_path: Path
) -> None:
    sid = session.header.session
    async with (
        running(redis_server, avatars_folder, recordings_url=str(tmp_path)) as pipeline,
        httpx.AsyncClient(base_url=pipeline.http) as http,
    ):
        [entry] = (await http.get("/api/recordings")).json()["recordings"]
        assert (entry["id"], entry["files"]) == (sid, 1)
        assert (await http.delete(f"/api/recordings/{sid}")).json() == {"id": sid, "deleted": True}
        assert (await http.delete(f"/api/recordings/{sid}")).status_code == 404
        assert (await http.delete("/api/recordings/a.b")).status_code == 404
        assert (await http.get("/api/recordings")).json() == {"recordings": [], "count": 0}
        digest = (await http.get("/api/avatars/tiny/digest")).json()
        assert digest == session.digests["tiny"].model_dump()
