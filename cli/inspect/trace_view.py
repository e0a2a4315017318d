"""A frame's way as people and programs see it; pure."""

from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import chain
from typing import Any, Final

from rich.table import Table
from rich.text import Text

from cli.inspect.facts import Trace, Way
from cli.inspect.keyspace import STAGES
from cli.inspect.verdict import verdict

BAR_COLUMNS: Final = 24
_STYLES: Final = {"audio": "cyan", "inference": "magenta", "compositor": "green"}
_WAIT, _OTHER = "·", "-"


def as_dict(found: Trace) -> dict[str, Any]:
    """For programs."""
    return {
        "session": found.session,
        "frame": found.frame,
        "verdict": verdict(found),
        "record": found.record and found.record.model_dump(),
        "audio": found.audio and {"first": found.audio[0], "last": found.audio[1]},
        "place": found.place and found.place._asdict() | {"task": found.place.task.model_dump()},
        "way": found.way and found.way.as_dict(),
        "slot": found.slot and found.slot._asdict(),
        "letter": found.letter and found.letter.as_dict(),
    }


def trace_table(found: Trace) -> Table:
    """What is known of a frame, in the order of its way."""
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, text in chain(_about(found), _way_lines(found.way), _rings(found)):
        table.add_row(Text(name, "dim"), text)
    table.add_row(Text("so", "dim"), Text(verdict(found), "bold"))
    return table


def ways_table(ways: Sequence[Way]) -> Table | str:
    """The tasks one below the other, their bars on one scale."""
    if not ways:
        return "no frame of this session has been finished lately"
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 1, 0, 0))
    for name in ("frames", "epoch", *STAGES, "total"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("· wait, aic work, - rest", no_wrap=True)
    longest_ms = max(way.total_ms for way in ways)
    for way in ways:
        steps = {step.stage: f"{_ms(step.wait_ms)}+{_ms(step.work_ms)}" for step in way.steps}
        frames = str(way.first) if way.frames == 1 else f"{way.first}-{way.first + way.frames - 1}"
        shown = Text(way.lost, "red") if way.lost else bar(way, longest_ms)
        table.add_row(frames, str(way.epoch), *(steps.get(stage, "") for stage in STAGES), _ms(way.total_ms), shown)
    return table


def bar(way: Way, longest_ms: float) -> Text:
    """A way as a line of letters: dots for waiting, a stage's first letter for its work, dashes for the rest."""
    parts = [part for step in way.steps for part in (
        (step.wait_ms, _WAIT, "dim"), (step.work_ms, step.stage[:1], _STYLES.get(step.stage, "")),
    )]  # fmt: skip
    line, drawn, until_ms = Text(), 0, 0.0
    for length_ms, letter, style in (*parts, (way.other_ms, _OTHER, "dim")):
        until_ms += length_ms
        # Rounding the ends, not the lengths, keeps the whole bar on its scale.
        end = round(until_ms * BAR_COLUMNS / longest_ms) if longest_ms else 0
        line.append(letter * max(0, end - drawn), style)
        drawn = max(drawn, end)
    return line


def _about(found: Trace) -> list[tuple[str, str]]:
    record = found.record
    about = f"avatar {record.avatar}, epoch {record.epoch}, {record.state}" if record else "has ended"
    lines = [("session", f"{found.session}: {about}"), ("frame", str(found.frame))]
    if found.place is not None:
        task = found.place.task
        frames = f"frames {task.first} to {task.end - 1} of epoch {task.epoch}"
        lines.append(("task", f"{frames}: entry {found.place.entry} of {found.place.stream}"))
        lines.append(("audio here", _clock(task.ingest_ms)))
        lines.append(("wanted until", _clock(task.deadline_ms)))
    return lines


def _way_lines(way: Way | None) -> list[tuple[str, str | Text]]:
    if way is None:
        return []
    lines: list[tuple[str, str | Text]] = [("task", f"frames {way.first} to {way.first + way.frames - 1}")]
    lines += [(step.stage, f"{step.wait_ms:.1f} ms wait, {step.work_ms:.1f} ms work") for step in way.steps]
    return [
        *lines,
        ("between", f"{way.other_ms:.1f} ms reading and writing"),
        ("total", f"{way.total_ms:.1f} ms from its last sample to the frame ring"),
        ("", bar(way, way.total_ms)),
    ]


def _rings(found: Trace) -> list[tuple[str, str]]:
    audio = f"frames {found.audio[0]} to {found.audio[1]}" if found.audio else "empty"
    slot = found.slot
    held = f"slot {slot.slot}: frame {slot.frame} of epoch {slot.epoch}, {slot.bytes} bytes" if slot else "slot empty"
    lines = [("audio ring", audio), ("frame ring", held)]
    return lines + ([("dead letter", f"{found.letter.stage} {found.letter.id}")] if found.letter else [])


def _clock(unix_ms: float) -> str:
    return datetime.fromtimestamp(unix_ms / 1000, UTC).strftime("%H:%M:%S.%f")[:-3] + " UTC"


def _ms(value: float) -> str:
    """Three digits tell enough."""
    return f"{value:.1f}" if value < 10 else f"{value:.0f}"
