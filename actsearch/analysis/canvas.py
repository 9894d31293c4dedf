"""Empty figures with axes, names and legends as all our pictures have them."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

LONGEST_NAME = 28
GREY = "#B0B0B0"
_LEGEND_ROWS = 20


def rows(names: Sequence[str]) -> tuple[Figure, Axes]:
    """A figure with one row a name, from below, as high as they need."""
    figure = Figure(figsize=(8, 1.2 + 0.28 * max(len(names), 2)), layout="constrained")
    axes = _plain(figure)
    axes.set_yticks(range(len(names)), [shown(name) for name in names])
    axes.set_ylim(-0.7, max(len(names), 1) - 0.3)
    axes.grid(axis="y", visible=False)
    if not names:
        axes.text(0.5, 0.5, "nothing to show", transform=axes.transAxes, ha="center", va="center")
    return figure, axes


def wide() -> tuple[Figure, Axes]:
    """A figure with room for curves."""
    figure = Figure(figsize=(8, 5), layout="constrained")
    return figure, _plain(figure)


def side_note(axes: Axes, row: int, text: str) -> None:
    """A word to the right of a row."""
    axes.annotate(text, (1.01, row), xycoords=("axes fraction", "data"), annotation_clip=False, va="center", fontsize=8)


def legend(figure: Figure, axes: Axes) -> None:
    """Names beside the axes, in as many columns as they need."""
    handles, labels = axes.get_legend_handles_labels()
    if handles:
        columns = -(-len(handles) // _LEGEND_ROWS)
        figure.set_figwidth(8 + 2.5 * (columns - 1))
        figure.legend(handles, labels, loc="outside right upper", fontsize=8, frameon=False, ncols=columns)


def shown(name: str) -> str:
    """A name as it is drawn: short, and no formula."""
    if len(name) > LONGEST_NAME:
        tail = LONGEST_NAME // 2
        name = f"{name[: LONGEST_NAME - tail - 1]}…{name[-tail:]}"
    return name.replace("$", r"\$")


def _plain(figure: Figure) -> Axes:
    axes = figure.subplots()
    axes.grid(color=GREY, alpha=0.4)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    return axes
