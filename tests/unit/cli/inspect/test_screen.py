"""What `lipstream top` draws."""

import io

from rich.console import Console

from cli.inspect.entries import Spread
from cli.inspect.screen import screen
from cli.inspect.view import RedisRow, SessionRow, StageRow, View, WorkerRow
from tests.inspection import SESSION, backlog

BUSY = View(
    at_ms=0.0,
    redis=RedisRow("7.0.15", 987_654_321, 1_073_741_824, 128, 12_345.6, 0.987),
    stages=tuple(
        StageRow(s, 1234, 64, 61_000.0, 2500.0, Spread(123.4, 2345.6), Spread(99.9, 999.9), 1000, (backlog(waiting=1),))
        for s in ("audio", "inference", "compositor")
    ),
    sessions=tuple(
        SessionRow(f"{n:03}{SESSION[3:]}", "an-avatar-of-a-long-name", "open", 12, 123_456, 1234, 59.9)
        for n in range(50)
    ),
    workers=tuple(
        WorkerRow("compositor", f"a-host-of-a-long-name-12345-abc{n:03}", 59.9, 250.0, 1_234_567, 1_234_567, 999, 99, 9)
        for n in range(50)
    ),
    session_count=50,
    worker_count=60,
)


def drawn(seen: View, width: int, rows: int | None, notice: str = "") -> list[str]:
    console = Console(width=width, file=io.StringIO())
    console.print(screen(seen, width, rows, notice))
    assert isinstance(console.file, io.StringIO)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


def test_a_busy_installation_fits_on_80_columns_and_24_lines_without_a_figure_cut() -> None:
    lines = drawn(BUSY, 80, 24)
    assert len(lines) <= 24
    assert max(map(len, lines)) <= 80
    text = "\n".join(lines)
    for figure in ("1234", "2345.6", "2500.0", "123456", "1234567", "999", "987.7 MB", "12346 commands/s"):
        assert figure in text
    assert "more sessions" in text
    assert "more workers" in text


def test_what_is_left_out_is_counted() -> None:
    lines = drawn(BUSY, 80, 24)
    sessions = sum(line[:3].isdigit() for line in lines)
    assert f"and {50 - sessions} more sessions" in lines
    assert "and 10 more workers" in drawn(BUSY, 80, None)


def test_a_redis_that_is_away_is_said_in_the_first_line() -> None:
    assert drawn(BUSY, 80, 24, "Redis is away, trying again")[0] == "Redis is away, trying again"


def test_a_wide_terminal_shows_whole_ids() -> None:
    assert any(line.startswith(f"000{SESSION[3:]} ") for line in drawn(BUSY, 120, 24))
