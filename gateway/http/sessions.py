"""The open sessions of all gateways, as Redis knows them."""

import time

from pydantic import BaseModel, ConfigDict, Field

from common.errors import LipstreamError
from common.records import SessionRecord
from common.sessions import every, read
from gateway.http.endpoint import Access, Call, Endpoint, read_query
from gateway.http.errors import ConflictError, NotFoundError
from gateway.open_sessions import OpenSession


class SessionEntry(BaseModel):
    id: str
    avatar: str
    gateway: str
    here: bool = Field(description="whether this gateway holds it, and so can end it")
    epoch: int
    frames: int = Field(description="sent, as of the last sign of life")
    concealed: int = Field(description="of those, repeats")
    age_s: float
    silent_s: float = Field(description="since the last sign of life")


class SessionList(BaseModel):
    sessions: list[SessionEntry]
    count: int = Field(description="of all, beyond `limit` too")


class SessionQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    limit: int = Field(100, ge=1, le=1_000, description="entries to show, newest first")


class SessionEnded(BaseModel):
    id: str
    ended: bool = True


def _open_here(call: Call, sid: str) -> OpenSession | None:
    """The connection behind a session; those of earlier clients have several, named after the connection's own."""
    return next((opened for name, opened in call.gateway.sessions.items() if sid.startswith(name)), None)


def _entry(call: Call, sid: str, record: SessionRecord) -> SessionEntry:
    now_s = time.time()
    return SessionEntry(
        id=sid,
        avatar=record.avatar,
        gateway=record.gateway,
        here=_open_here(call, sid) is not None,
        epoch=record.epoch,
        frames=record.next_frame,
        concealed=record.concealed,
        age_s=round(max(0.0, now_s - record.created_at), 3),
        silent_s=round(max(0.0, now_s - record.last_seen), 3),
    )


async def _list(call: Call) -> SessionList:
    query = read_query(SessionQuery, call.request)
    records = await every(call.gateway.bus.redis)
    newest = sorted(records.items(), key=lambda item: item[1].created_at, reverse=True)
    return SessionList(sessions=[_entry(call, *item) for item in newest[: query.limit]], count=len(records))


async def _get(call: Call) -> SessionEntry:
    sid = call.request.path_params["id"]
    record = await read(call.gateway.bus.redis, sid)
    if record is None:
        raise NotFoundError("no open session of that id", field="id")
    return _entry(call, sid, record)


async def _end(call: Call) -> SessionEnded:
    sid = call.request.path_params["id"]
    if opened := _open_here(call, sid):
        opened.end()
        return SessionEnded(id=sid)
    raise await _elsewhere(call, sid)


async def _elsewhere(call: Call, sid: str) -> LipstreamError:
    record = await read(call.gateway.bus.redis, sid)
    if record is None:
        return NotFoundError("no open session of that id", field="id")
    return ConflictError(f"gateway {record.gateway} holds this session; ask that one to end it", field="id")


ENDPOINTS = (
    Endpoint("/api/sessions", _list, "Open sessions of all gateways.", SessionList, access=Access.ADMIN,
             query=SessionQuery),
    Endpoint("/api/sessions/{id}", _get, "One of them.", SessionEntry, access=Access.ADMIN),
    Endpoint("/api/sessions/{id}", _end, "Ends it; its client is told why.", SessionEnded, ("DELETE",), Access.ADMIN),
)  # fmt: skip
