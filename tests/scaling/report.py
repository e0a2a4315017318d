"""A played scaling loop for people: a table in the terminal, Markdown and a plot for the documentation."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.scaling.play import P95_BOUND_S, STAGE, Played
from tests.scaling.summary import Summary


def rows(summary: Summary) -> Mapping[str, str]:
    """What to tell, in words and figures."""
    verdict = summary.verdict
    return {
        f"pods of {STAGE}: fewest, most, at the end": f"{summary.floor}, {summary.peak}, {summary.last}",
        "more pods after, s": _times(summary.rises_s),
        "fewer pods after, s": _times(summary.falls_s),
        "pods ended, of all stages": f"{summary.removed}; killed or ended with an error: {summary.unclean}",
        "frames": str(verdict.frames),
        "frames missing, twice, out of order, other bytes": ", ".join(
            map(str, (verdict.missing, verdict.twice, verdict.out_of_order, verdict.different))
        ),
        "frames concealed within 2 s of a pod's end": str(summary.concealed_after_removal),
        "frames concealed at all": str(verdict.concealed),
        **{f"p95 of a frame's latency, {phase}": _milliseconds(p95_s) for phase, p95_s in summary.p95_s.items()},
    }


def show(summary: Summary, console: Console) -> None:
    """The table in the terminal."""
    table = Table("what", "figure", box=None, header_style="bold")
    for what, figure in rows(summary).items():
        table.add_row(what, figure)
    console.print(table)


def write(played: Played, summary: Summary, folder: Path, name: str = "autoscaling") -> None:
    """`name.md` with the table and `name.png` with the course of things, into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    scenario, course = played.scenario, played.course
    told = (
        f"{scenario.few} speaker, from second {course.rose_s:.0f} on one more every {scenario.step_s:.0f} s up to "
        f"{scenario.many}, and {scenario.few} again from second {course.fell_s:.0f}; "
        f"the autoscalers' times {scenario.speed:.3g} times as fast as shipped; "
        f"pods of {STAGE} held to {played.cores:.2f} cores each, {scenario.pod_fps:.0f} frames a second; "
        f"room for {scenario.room} of them."
    )
    table = [f"| {what} | {figure} |" for what, figure in rows(summary).items()]
    (folder / f"{name}.md").write_text("\n".join([told, "", "| what | figure |", "|---|---|", *table]) + "\n")
    _plot(played, folder / f"{name}.png")


def _times(found_s: list[float]) -> str:
    return ", ".join(f"{at_s:.0f}" for at_s in found_s) or "never"


def _milliseconds(value_s: float | None) -> str:
    return "no frames" if value_s is None else f"{value_s * 1000:.0f} ms"


def _plot(played: Played, path: Path) -> None:
    # Heavy, and only the reports need it.
    from matplotlib.figure import Figure

    moments = played.moments
    at_s = [moment.at_s for moment in moments]
    figure = Figure(figsize=(8, 7), layout="constrained")
    pods, signals, latency = figure.subplots(3, 1, sharex=True)
    pods.step(at_s, [m.speaking for m in moments], where="post", label="sessions", color="tab:gray")
    pods.step(at_s, [m.pods[STAGE] for m in moments], where="post", label="pods", color="tab:blue")
    pods.step(at_s, [m.ready[STAGE] for m in moments], where="post", label="of these ready", color="tab:blue", ls=":")
    pods.set_ylim(0, 1.5 * max(played.scenario.room, played.scenario.many))
    _trigger(signals, at_s, [m.age_s * 1000 for m in moments], "age of the oldest task, ms", "tab:orange")
    beside = signals.twinx()
    _trigger(beside, at_s, [m.backlog for m in moments], "backlog, tasks", "tab:green")
    latency.plot(at_s, [m.p95_s and m.p95_s * 1000 for m in moments], label="p95 of frames, ms", color="tab:purple")
    latency.axhline(P95_BOUND_S * 1000, color="tab:red", linewidth=1, label="bound")
    latency.set_ylim(bottom=0)
    latency.set_xlabel("seconds")
    for axes in (pods, latency):
        axes.legend(loc="upper right")
    figure.savefig(path, dpi=120)


def _trigger(axes: Any, at_s: list[float], values: list[float], label: str, colour: str) -> None:
    axes.plot(at_s, values, color=colour)
    axes.set_ylabel(label, color=colour)
    axes.set_ylim(bottom=0)
