"""How every process logs: lines for people, or a JSON object a line; payloads and audio never go to the log.

A record as JSON has `time`, `level`, `logger` and `message`, `error` (a traceback) where there is one, what `identify`
has said of the process (`stage` and `worker`, or `gateway`), and what `about` says of the matter at hand: `session`,
`epoch`, `frame`.
"""

import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, Final, Literal

Format = Literal["text", "json"]

_MATTER: Final[ContextVar[Mapping[str, Any]]] = ContextVar("matter")


class JsonFormatter(logging.Formatter):
    """Of a class because the standard library asks for one; `process` goes into every record."""

    def __init__(self) -> None:
        super().__init__()
        self.process: dict[str, Any] = {}

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        own = {"time": at, "level": record.levelname.lower(), "logger": record.name, "message": record.getMessage()}
        if record.exc_info:
            own["error"] = self.formatException(record.exc_info)
        facts = {name: fact for name, fact in {**self.process, **_MATTER.get({})}.items() if name not in own}
        return json.dumps(own | facts, ensure_ascii=False, default=str)


def configure(level: str, form: Format = "text") -> None:
    """Log to stderr from `level` on."""
    logging.basicConfig(
        level=level.upper(), format="%(asctime)s %(levelname)-7s %(name)s: %(message)s", datefmt="%H:%M:%S", force=True
    )
    logging.captureWarnings(form == "json")
    if form == "json":
        for handler in logging.getLogger().handlers:
            handler.setFormatter(JsonFormatter())


def is_structured() -> bool:
    """Whether records are JSON, so that nothing else may be written among them."""
    return bool(_formatters())


def identify(**facts: Any) -> None:
    """From now on every record says this of its process."""
    for formatter in _formatters():
        formatter.process |= facts


@contextmanager
def about(**facts: Any) -> Iterator[None]:
    """Within the block, and in the tasks that begin there, records say this of what they are about."""
    token = _MATTER.set({**_MATTER.get({}), **facts})
    try:
        yield
    finally:
        _MATTER.reset(token)


def task_of(fields: Mapping[bytes, bytes]) -> dict[str, str]:
    """What a stream entry says of a task, for `about`; entries that are none say less."""
    names = {"session": b"session", "epoch": b"epoch", "frame": b"first"}
    return {name: fields[key].decode(errors="replace") for name, key in names.items() if key in fields}


def _formatters() -> list[JsonFormatter]:
    found = (handler.formatter for handler in logging.getLogger().handlers)
    return [formatter for formatter in found if isinstance(formatter, JsonFormatter)]
