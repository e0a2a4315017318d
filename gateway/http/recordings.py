"""The recordings of the installation."""

import asyncio
from datetime import datetime

from pydantic import BaseModel, Field

from common.recording.records import RecordingError
from gateway.http.endpoint import Access, Call, Endpoint
from gateway.http.errors import NotFoundError


class RecordingEntry(BaseModel):
    id: str = Field(description="of the session")
    files: int
    size_bytes: int
    modified: datetime


class RecordingList(BaseModel):
    recordings: list[RecordingEntry]
    count: int


class RecordingDeleted(BaseModel):
    id: str
    deleted: bool = True


async def _list(call: Call) -> RecordingList:
    found = await asyncio.to_thread(call.gateway.recordings.entries)
    entries = [RecordingEntry(id=each.session, **each._asdict()) for each in reversed(found)]
    return RecordingList(recordings=entries, count=len(entries))


async def _delete(call: Call) -> RecordingDeleted:
    sid = call.request.path_params["id"]
    try:
        await asyncio.to_thread(call.gateway.recordings.delete, sid)
    except RecordingError as error:
        raise NotFoundError("no recording of that session", field="id") from error
    return RecordingDeleted(id=sid)


ENDPOINTS = (
    Endpoint("/api/recordings", _list, "Recordings, newest first.", RecordingList, access=Access.ADMIN),
    Endpoint("/api/recordings/{id}", _delete, "Removes one.", RecordingDeleted, ("DELETE",), Access.ADMIN),
)
