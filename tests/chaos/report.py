"""A campaign's findings for people: a table in the terminal, Markdown and a plot for the documentation."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import quantiles
from typing import Any, NamedTuple

from rich.console import Console
from rich.table import Table

from tests.chaos.campaign import Findings, Stall


class Row(NamedTuple):
    """The stalls of one sort of fault, in milliseconds."""

    fault: str
    times: int
    p50: float
    p95: float
    worst: float


def rows(stalls: Sequence[Stall]) -> list[Row]:
    """One row a sort of fault, then one of each kind, where faults of it were felt at all."""
    groups: dict[str, list[float]] = defaultdict(list)
    for fault, stall_ms in stalls:
        if stall_ms is not None:
            groups[fault].append(stall_ms)
            groups[f"every {fault.partition(' ')[0]}"].append(stall_ms)
    return [Row(fault, len(found), *_cuts(found)) for fault, found in sorted(groups.items())]


def _cuts(found: Sequence[float]) -> tuple[float, float, float]:
    if len(found) == 1:
        return found[0], found[0], found[0]
    cuts = quantiles(found, n=100, method="inclusive")
    return cuts[49], cuts[94], max(found)


def as_dict(findings: Findings) -> dict[str, Any]:
    """The findings as plain values."""
    return {
        "clean": findings.is_clean,
        "sessions": findings.sessions,
        "seconds": round(findings.seconds, 1),
        **findings.verdict._asdict(),
        "errors": findings.errors,
        "letters": dict(findings.letters),
        "letters_expected": dict(findings.letters_expected),
        "left_over": findings.left_over,
        "stalls_ms": [row._asdict() for row in rows(findings.stalls)],
    }


def show(findings: Findings, console: Console) -> None:
    """Both tables in the terminal."""
    counts = Table("what", "count", box=None, header_style="bold")
    for name, value in _counts(findings).items():
        counts.add_row(name, value)
    stalls = Table("fault", "times", "p50 ms", "p95 ms", "worst ms", box=None, header_style="bold")
    for row in rows(findings.stalls):
        stalls.add_row(row.fault, str(row.times), *(f"{value:.0f}" for value in row[2:]))
    console.print(counts, "", stalls, "", "clean" if findings.is_clean else "[red]NOT CLEAN")


def _counts(findings: Findings) -> Mapping[str, str]:
    names = {name: str(value) for name, value in findings.verdict._asdict().items()}
    return {
        "sessions": str(findings.sessions),
        **names,
        "errors": "; ".join(findings.errors) or "0",
        "dead letters": _letters(findings.letters),
        "dead letters expected": _letters(findings.letters_expected),
        "left over in Redis": "; ".join(findings.left_over) or "nothing",
    }


def _letters(letters: Mapping[str, int]) -> str:
    return ", ".join(f"{stage} {count}" for stage, count in sorted(letters.items())) or "none"


def write(findings: Findings, folder: Path, name: str) -> None:
    """`name.md` with the tables and `name.png` with every stall, into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = [f"In {findings.seconds:.0f} seconds:", "", "| what | count |", "|---|---|"]
    lines += [f"| {what} | {value} |" for what, value in _counts(findings).items()]
    lines += ["", "| added stall after | times | p50 ms | p95 ms | worst ms |", "|---|---|---|---|---|"]
    lines += [f"| {r.fault} | {r.times} | {r.p50:.0f} | {r.p95:.0f} | {r.worst:.0f} |" for r in rows(findings.stalls)]
    (folder / f"{name}.md").write_text("\n".join(lines) + "\n")
    _plot(findings.stalls, folder / f"{name}.png")


def _plot(stalls: Sequence[Stall], path: Path) -> None:
    # Heavy, and only the reports need it.
    from matplotlib.figure import Figure

    faults = sorted({stall.fault for stall in stalls})
    figure = Figure(figsize=(7, 0.8 + 0.35 * len(faults)), layout="constrained")
    axes = figure.add_subplot()
    for place, fault in enumerate(faults):
        found = [stall.stall_ms for stall in stalls if stall.fault == fault and stall.stall_ms is not None]
        axes.plot(found, [place] * len(found), "o", alpha=0.5, color="tab:blue")
    axes.axvline(700, color="tab:red", linewidth=1)
    axes.set_yticks(range(len(faults)), faults)
    axes.set_xlim(left=0)
    axes.set_xlabel("added stall of the session that felt it most, ms (red: the promise)")
    figure.savefig(path, dpi=120)
