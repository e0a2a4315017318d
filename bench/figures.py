"""How the pictures of the benches look."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure


def beside() -> tuple[Figure, tuple[Axes, Axes]]:
    """A figure with two parts."""
    figure = Figure(figsize=(10, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    return figure, (left, right)


def finish(axes: Axes, label: str) -> None:
    """What every part gets at last: the name of its x axis, a grid, a legend."""
    axes.set_xlabel(label)
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small")
