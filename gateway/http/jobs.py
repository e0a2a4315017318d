"""Background jobs: asking for them, watching them, having what they made."""

import asyncio
from contextlib import suppress
from typing import BinaryIO, Final

from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request as HttpRequest
from starlette.responses import Response, StreamingResponse

from common.background import requests
from common.background.files import JobFiles, files_at
from common.background.queue import new_id
from common.background.requests import AvatarName, JobEntry, Quality
from common.errors import InputError
from common.places import StoreError, told
from gateway.http import files
from gateway.http.endpoint import Access, Call, Endpoint, read_body, read_query
from gateway.http.errors import ConflictError, NotFoundError, TooLargeError

MEDIA_TYPE: Final = "application/octet-stream"
"""Of uploads and results alike; a result's own type stands in its job."""


class JobList(BaseModel):
    jobs: list[JobEntry]


class JobQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    limit: int = Field(50, ge=1, le=500, description="entries to show, newest first")


class RenderQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    avatar: AvatarName
    quality: Quality = None


async def _list(call: Call) -> JobList:
    query = read_query(JobQuery, call.request)
    return JobList(jobs=await asyncio.to_thread(call.gateway.jobs.entries, query.limit))


async def _get(call: Call) -> JobEntry:
    return await asyncio.to_thread(call.gateway.jobs.entry, call.request.path_params["job"])


async def _cancel(call: Call) -> JobEntry:
    return await asyncio.to_thread(call.gateway.jobs.cancel, call.request.path_params["job"])


async def _result(call: Call) -> Response:
    entry = await _get(call)
    if entry.outcome is None:
        raise ConflictError(f"job {entry.id} is {entry.state}: there is no result", field="job")
    if (file := entry.outcome.file) is None:
        raise NotFoundError("this kind of job makes no file; its outcome is in the job itself", field="job")
    try:
        blocks = await asyncio.to_thread(_files(call).result, entry.id)
    except FileNotFoundError as error:
        raise NotFoundError("the result is not there any more", field="job") from error
    headers = {
        "Content-Length": str(file.size_bytes),
        "Content-Disposition": f'attachment; filename="{file.name}"',
        "Cache-Control": "private, no-store",
    }
    return StreamingResponse(blocks, media_type=MEDIA_TYPE, headers=headers)


async def _render(call: Call) -> JobEntry:
    query = read_query(RenderQuery, call.request)
    await _admit(call)
    await files.find(call.gateway, query.avatar)
    job = new_id()
    await _receive(call.request, _files(call), job, call.gateway.settings.jobs_upload_bytes)
    try:
        request = requests.Render(avatar=query.avatar, quality=query.quality)
        return await asyncio.to_thread(call.gateway.jobs.submit, request, job)
    except BaseException:
        await asyncio.to_thread(_files(call).drop_upload, job)
        raise


async def _export(call: Call) -> JobEntry:
    request = await read_body(requests.Export, call.request)
    if not await asyncio.to_thread(call.gateway.recordings.holds, request.session):
        raise NotFoundError("no recording of that session", field="session")
    return await _submit(call, request)


async def _frames(call: Call) -> JobEntry:
    request = await read_body(requests.Frames, call.request)
    await files.find(call.gateway, request.avatar)
    return await _submit(call, request)


async def _prune(call: Call) -> JobEntry:
    request = await read_body(requests.Prune, call.request)
    days = request.days or call.gateway.settings.recordings_keep_days
    if days is None:
        raise InputError("how old is old? Say days, or set LIPSTREAM_RECORDINGS_KEEP_DAYS", field="days")
    return await _submit(call, requests.Prune(days=days))


async def _submit(call: Call, request: requests.Request) -> JobEntry:
    await _admit(call)
    return await asyncio.to_thread(call.gateway.jobs.submit, request)


async def _admit(call: Call) -> None:
    """Count a start of the caller's, and see whether there is room.

    Raises
    ------
    LimitError, CapacityError
        `starts_per_minute` or `jobs_queue_max` is reached.
    """
    assert call.caller is not None
    call.gateway.doors.count_start(call.caller)
    await asyncio.to_thread(call.gateway.jobs.check_room)


def _files(call: Call) -> JobFiles:
    return files_at(call.gateway.settings.jobs_url)


async def _receive(request: HttpRequest, store: JobFiles, job: str, limit: int) -> None:
    """The body, piece by piece into the store, without ever being in memory as a whole.

    Raises
    ------
    InputError, TooLargeError, StoreError
        There is none; it is longer than `limit` bytes; the store takes no more.
    """
    too_large = TooLargeError("the audio is too long", field="body", limit=limit)
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length) > limit:
        raise too_large
    size_bytes, file = 0, await asyncio.to_thread(store.open_upload, job)
    try:
        with told():
            async for chunk in request.stream():
                size_bytes += len(chunk)
                if size_bytes > limit:
                    raise too_large
                await asyncio.to_thread(file.write, chunk)
            await asyncio.to_thread(file.close)
        if not size_bytes:
            raise InputError("the body must be an audio file", field="body")
    except BaseException:
        await asyncio.to_thread(_drop, store, job, file)
        raise


def _drop(store: JobFiles, job: str, file: BinaryIO) -> None:
    with suppress(OSError, StoreError), told():
        file.close()
    store.drop_upload(job)


ENDPOINTS = (
    Endpoint("/api/jobs", _list, "Background jobs, newest first.", JobList, access=Access.ADMIN, query=JobQuery),
    Endpoint("/api/jobs/render", _render, "Let an avatar say the audio in the body: an MP4.", JobEntry, ("POST",),
             Access.ADMIN, query=RenderQuery, body=MEDIA_TYPE),
    Endpoint("/api/jobs/export", _export, "Make an MP4 of a recording.", JobEntry, ("POST",), Access.ADMIN,
             body=requests.Export),
    Endpoint("/api/jobs/frames", _frames, "Make a ZIP of an avatar's pictures.", JobEntry, ("POST",), Access.ADMIN,
             body=requests.Frames),
    Endpoint("/api/jobs/prune", _prune, "Remove old recordings.", JobEntry, ("POST",), Access.ADMIN,
             body=requests.Prune),
    Endpoint("/api/jobs/{job}", _get, "One of them, with its progress.", JobEntry, access=Access.ADMIN),
    Endpoint("/api/jobs/{job}", _cancel, "Ends it; 409 once it has ended.", JobEntry, ("DELETE",), Access.ADMIN),
    Endpoint("/api/jobs/{job}/result", _result, "The file that it made.", MEDIA_TYPE,
             access=Access.ADMIN),
)  # fmt: skip
