"""Findings as tables for people."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from cli.doctor import Check, Status

_STYLES: Final[Mapping[Status, str]] = {"ok": "green", "note": "yellow", "missing": "red"}


def print_checks(checks: Sequence[Check]) -> None:
    """One line a check; the remedy stands below what is missing."""
    table = Table(box=None, show_header=False, pad_edge=False)
    for check in checks:
        table.add_row(Text(check.status, _STYLES[check.status]), check.name, Text(check.detail))
        if check.remedy and check.status != "ok":
            table.add_row("", "", Text(f"-> {check.remedy}", "dim"))
    Console().print(table)


def print_rows(rows: Sequence[Mapping[str, Any]], empty: str) -> None:
    """Records of like keys, one a line; `empty` is said where there are none."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    table = Table(*names, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        table.add_row(*(Text(str(row.get(name, ""))) for name in names))
    Console().print(table if rows else empty)


def print_record(record: Mapping[str, Any]) -> None:
    """One record, a line each field."""
    table = Table(box=None, show_header=False, pad_edge=False)
    for name, value in record.items():
        table.add_row(Text(name, "dim"), Text(str(value)))
    Console().print(table)
