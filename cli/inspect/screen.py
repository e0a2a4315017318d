"""`lipstream top` as people see it: data -> lines of text, readable from 80 columns on; pure.

Lines, not Rich's tables: these take longer to draw than everything else that `top` does.
"""

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Final

from rich.text import Text

from cli.inspect.entries import Spread
from cli.inspect.view import RedisRow, SessionRow, StageRow, View, WorkerRow

_FRAMING_LINES: Final = 8
"""Headings, blank lines and the two lines of what is left out."""
_STAGES: Final = ("stage", "waiting", "in hand", "oldest", "frames/s", "wait p50", "p95", "work p50", "p95", "dead")
_SESSIONS: Final = ("session", "avatar", "state", "epoch", "frames", "concealed", "seen")
_WORKERS: Final = ("worker", "beat", "frames/s", "tasks", "frames", "dropped", "retried", "dead")

Row = tuple[str, ...]


def screen(seen: View, width: int, rows: int | None, notice: str = "") -> Text:
    """Everything, one table below the other.

    Parameters
    ----------
    width : columns of the terminal; decides how much of an id is shown.
    rows : lines of the terminal, which sessions and workers share; None: as many as are needed.
    notice : said in the first line, as that Redis is away.
    """
    ids = max(12, width - 68)
    room = None if rows is None else max(2, rows - _FRAMING_LINES - len(seen.stages))
    workers = seen.workers if room is None else seen.workers[: max(1, room - min(len(seen.sessions), room // 2))]
    sessions = seen.sessions if room is None else seen.sessions[: max(1, room - len(workers))]
    parts = [
        Text(notice, "bold red") if notice else Text(_head(seen.redis)),
        Text(),
        *_table(_STAGES, [_stage(row) for row in seen.stages]),
        Text(),
        *_table(_SESSIONS, [_session(row, ids) for row in sessions]),
        Text(_rest(seen.session_count - len(sessions), "sessions"), "dim"),
        *_table(_WORKERS, [_worker(row, ids) for row in workers]),
        Text(_rest(seen.worker_count - len(workers), "workers"), "dim"),
    ]
    return Text("\n", no_wrap=True, overflow="crop").join(parts)


def _table(heads: Row, rows: Sequence[Row]) -> list[Text]:
    """Columns as wide as their widest cell: the first to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
    return [Text(_line(heads, widths), "bold"), *(Text(_line(row, widths)) for row in rows)]


def _line(cells: Row, widths: Iterable[int]) -> str:
    first, *others = zip(cells, widths, strict=True)
    return " ".join([first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in others)])


def _head(redis: RedisRow) -> str:
    limit = f" of {_bytes(redis.limit_bytes)}" if redis.limit_bytes else ""
    load = "" if redis.busy is None else f" · {redis.commands_per_s:.0f} commands/s · {redis.busy:.1%} busy"
    return f"Redis {redis.version} · {_bytes(redis.used_bytes)}{limit} · {redis.clients} clients{load}"


def _stage(row: StageRow) -> Row:
    return (
        row.stage,
        str(row.waiting),
        str(row.in_hand),
        _age(row.oldest_ms / 1000) if row.oldest_ms else "-",
        _figure(row.frames_per_s),
        *_spread(row.wait_ms),
        *_spread(row.work_ms),
        str(row.dead),
    )


def _session(row: SessionRow, ids: int) -> Row:
    return (
        _short(row.session, ids), _short(row.avatar, 12), row.state, str(row.epoch), str(row.frames),
        str(row.concealed), _age(row.seen_s),
    )  # fmt: skip


def _worker(row: WorkerRow, ids: int) -> Row:
    name = f"{row.stage} {_short(row.worker, max(6, ids - len(row.stage) + 4), end=True)}"
    counters = (row.tasks, row.frames, row.dropped, row.retried, row.dead)
    return (name, _age(row.beat_s), _figure(row.frames_per_s), *map(str, counters))


def _rest(count: int, what: str) -> str:
    return f"and {count} more {what}" if count > 0 else ""


def _spread(found: Spread | None) -> tuple[str, str]:
    return (_figure(found.p50), _figure(found.p95)) if found else ("-", "-")


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


def _age(seconds: float) -> str:
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    return f"{seconds:.1f} s" if seconds < 60 else f"{seconds / 60:.0f} min"


def _bytes(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count < 1e9 else f"{count / 1e9:.2f} GB"


def _short(text: str, length: int, *, end: bool = False) -> str:
    """A long name by its beginning, or by its end where that tells more."""
    if len(text) <= length:
        return text
    return "…" + "".join(islice(text, len(text) - length + 1, None)) if end else text[: length - 1] + "…"
