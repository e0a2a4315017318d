"""Uploads and results in a folder and in stores of other kinds, one of them S3's; all are fsspec's."""

import os
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import fsspec
import pytest
from botocore.exceptions import EndpointConnectionError

from common.background import files as places
from common.background.files import JobFiles, files_at
from common.errors import SettingsError
from common.places import StoreError, told
from tests.s3 import BUCKET, object_store

JOB, OTHER = "0123456789abcdef", "fedcba9876543210"


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    with object_store():
        yield BUCKET


@pytest.fixture(params=["file", "memory", "s3"])
def files(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[JobFiles]:
    match request.param:
        case "file":
            yield files_at(f"file://{tmp_path}/deep/down")
        case "memory":
            yield files_at(f"memory://{uuid4().hex}/down")
            fsspec.filesystem("memory").store.clear()
        case _:
            yield files_at(f"{request.getfixturevalue('bucket')}/{uuid4().hex}/down")


def put(files: JobFiles, job: str, content: bytes = b"RIFF") -> None:
    with told(), files.open_upload(job) as file:
        file.write(content)


def test_an_upload_is_fetched_and_dropped(files: JobFiles, tmp_path: Path) -> None:
    put(files, JOB, b"RIFF" * 1_000)
    files.fetch_upload(JOB, tmp_path / "audio")
    assert (tmp_path / "audio").read_bytes() == b"RIFF" * 1_000
    for _ in range(2):
        files.drop_upload(JOB)
    with pytest.raises(FileNotFoundError):
        files.fetch_upload(JOB, tmp_path / "audio")


def test_a_result_is_given_in_blocks_and_replaced_by_a_later_one(files: JobFiles, tmp_path: Path) -> None:
    source = tmp_path / "out.mp4"
    for content in (b"first", b"m" * (2 * places.BLOCK_BYTES + 5)):
        source.write_bytes(content)
        files.keep_result(JOB, source)
    blocks = list(files.result(JOB))
    assert b"".join(blocks) == content
    assert len(blocks) == 3
    with pytest.raises(FileNotFoundError):
        files.result(OTHER)


def test_only_old_files_of_forgotten_jobs_are_swept(
    files: JobFiles, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert files.sweep(lambda job: False) == []
    put(files, JOB)
    put(files, OTHER)
    files.fs.pipe_file(f"{files.root}/notes.txt", b"somebody else's")
    assert files.sweep(lambda job: False) == [], "just written: its job may be about to be submitted"
    monkeypatch.setattr(places, "GRACE_S", -1.0)
    assert files.sweep(lambda job: job == OTHER) == [JOB]
    left = {path.rpartition("/")[2] for path in files.fs.ls(files.root, detail=False)}
    assert left == {f"{OTHER}.in", "notes.txt"}


def test_the_age_of_a_file_is_that_of_its_last_byte(tmp_path: Path) -> None:
    files = files_at(str(tmp_path))
    put(files, JOB)
    old_s = time.time() - places.GRACE_S - 10
    os.utime(tmp_path / f"{JOB}.in", (old_s, old_s))
    assert files.sweep(lambda job: False) == [JOB]


def test_a_place_that_fails_is_a_fault_that_may_pass(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"in the way")
    files = files_at(str(tmp_path / "file"))
    for attempt in (
        lambda: files.open_upload(JOB),
        lambda: files.fetch_upload(JOB, tmp_path / "audio"),
        lambda: files.result(JOB),
        lambda: files.keep_result(JOB, tmp_path / "file"),
    ):
        with pytest.raises(StoreError) as caught:
            attempt()
        assert caught.value.retryable


def test_a_bucket_that_cannot_be_reached_is_a_fault_that_may_pass() -> None:
    unreachable = EndpointConnectionError(endpoint_url="https://s3.example.com")
    with pytest.raises(StoreError, match="Could not connect") as caught, told():
        raise unreachable
    assert caught.value.retryable


def test_no_name_but_a_jobs_own_reaches_the_disk(tmp_path: Path) -> None:
    for name in ("../escape", "a/b", "", JOB + "\n", JOB.upper()):
        with pytest.raises(AssertionError):
            files_at(str(tmp_path)).open_upload(name)
    assert list(tmp_path.iterdir()) == []


def test_a_store_that_nothing_here_speaks_to_is_a_setting_that_is_wrong() -> None:
    with pytest.raises(SettingsError, match="jobs_url nosuch://x"):
        files_at("nosuch://x")
