"""Tables of numbers as coloured cells, in colours that are told apart by colour-blind readers."""

from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import BoundaryNorm
from numpy.typing import NDArray

from actsearch.analysis.canvas import GREY, SMALL, figure_of
from actsearch.analysis.styles import INK

ROW = 0.24  # inches
_CELL = 0.44  # inches, the least that a number needs


class _Scale(NamedTuple):
    colours: str
    bounds: list[float]
    extend: Literal["neither", "both"]
    ticks: list[float]
    text: Callable[[float], str]


def _ratio(value: float) -> str:
    return f"{value:.0f}" if 10 <= value < 10_000 else f"{value:.2g}" if 0.001 <= value < 10 else f"{value:.0e}"


# Shares grow darker; ratios are pale where they are near 1.
_SHARES = _Scale(
    "Blues", [0, 0.01, *(n / 10 for n in range(1, 10)), 0.99, 1], "neither", [0, 0.1, 0.5, 0.9, 1], "{:.0%}".format
)
_RATIOS = _Scale(
    "PuOr", [1e-4, 1e-3, 1e-2, 0.1, 0.5, 2, 10, 1e2, 1e3, 1e4], "both", [1e-3, 0.1, 0.5, 2, 10, 1e3], _ratio
)


def heat_of_shares(axes: Axes, bar: Axes, shares: NDArray[np.float64], *, inches: float) -> None:
    """A cell for each share from 0 to 1, a row each from above; a dash where it is nan.

    Args:
        axes: To draw on.
        bar: Axes for what the colours mean.
        shares: A matrix.
        inches: The width of the axes: numbers are written where there is room.
    """
    _heat(axes, bar, shares, _SHARES, inches)


def heat_of_ratios(axes: Axes, bar: Axes, ratios: NDArray[np.float64], *, inches: float) -> None:
    """A cell for each ratio, on a logarithmic scale around 1; else as `heat_of_shares`."""
    _heat(axes, bar, ratios, _RATIOS, inches)


def _heat(axes: Axes, bar: Axes, values: NDArray[np.float64], scale: _Scale, inches: float) -> None:
    norm = BoundaryNorm(scale.bounds, colormaps[scale.colours].N, extend=scale.extend)
    mesh = axes.pcolormesh(np.ma.masked_invalid(values), cmap=scale.colours, norm=norm)
    num_rows, num_columns = values.shape
    axes.set(xlim=(0, num_columns), ylim=(num_rows, 0))
    axes.grid(visible=False)
    axes.tick_params(length=0)
    if num_columns and inches / num_columns >= _CELL:
        for (row, column), value in np.ndenumerate(values):
            known = np.isfinite(value)
            colour = INK if not known else "white" if _is_dark(mesh.to_rgba(np.array([value]))[0]) else "black"
            word = scale.text(float(value)) if known else "–"
            axes.text(column + 0.5, row + 0.5, word, ha="center", va="center", color=colour, fontsize=SMALL - 1)
    key = figure_of(axes).colorbar(mesh, cax=bar, orientation="horizontal", ticks=scale.ticks)
    key.ax.tick_params(which="both", colors=INK, labelsize=SMALL - 1, length=2)
    key.ax.xaxis.set_major_formatter(lambda value, _: scale.text(value))
    key.outline.set(edgecolor=GREY, linewidth=0.5)


def _is_dark(colour: NDArray[np.float64]) -> bool:
    red, green, blue, _ = colour
    return bool(0.2126 * red + 0.7152 * green + 0.0722 * blue < 0.45)
