"""A background job as people read it."""

from collections.abc import Mapping
from typing import Any


def row(job: Mapping[str, Any]) -> dict[str, Any]:
    """What fits into a line."""
    return {
        "id": job["id"],
        "kind": job["request"]["kind"],
        "what": what(job),
        "state": job["state"],
        "done": share(job),
        "created": job["created_at"][:19],
        "error": (job.get("error") or {}).get("message", ""),
    }


def record(job: Mapping[str, Any]) -> dict[str, Any]:
    """All that is known, a line each."""
    outcome = job.get("outcome") or {}
    facts = {**outcome.get("facts", {}), **(outcome.get("file") or {})}
    times = {name: job[name][:19] for name in ("started_at", "ended_at", "expires_at") if job.get(name)}
    return row(job) | {"attempt": job["attempt"]} | times | facts


def what(job: Mapping[str, Any]) -> str:
    """The avatar, the session, or the age that it is about."""
    request = job["request"]
    if request["kind"] == "prune":
        return f"older than {request.get('days', '?')} days"
    return str(request.get("avatar") or request.get("session"))


def share(job: Mapping[str, Any]) -> str:
    """`30/250`, or nothing while it is not known."""
    return f"{job['done']}/{job['total']}" if job["total"] else ""
