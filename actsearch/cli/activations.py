"""`actsearch activations`: lists the catalogue, or shows one entry with its curve."""

import shutil
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from actsearch.errors import UsageError

if TYPE_CHECKING:
    from actsearch.activations.activation import Activation

_LOW, _HIGH = -4.0, 4.0


def complete_name(incomplete: str) -> list[str]:
    """Lists the activations whose names start with an incomplete word."""
    from actsearch.activations import names

    return [name for name in names() if name.startswith(incomplete)]


def activations(
    name: Annotated[
        str | None, typer.Argument(help="Show this activation in full.", autocompletion=complete_name)
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option(help="Plot it and its derivative to this file (.png, .svg, .pdf).", show_default=False),
    ] = None,
) -> None:
    """List the activations, or show one."""
    from actsearch.activations import registry

    if name is None:
        if plot is not None:
            raise UsageError(
                "--plot draws one activation: name it, as in `actsearch activations selu --plot selu.svg`."
            )
        _list()
        return
    entry = registry.get(name)
    if plot is not None:
        _draw(entry, plot)
        print(plot)
        return
    _show(entry)


def _list() -> None:
    """Prints name and formula of each activation by family; papers where the terminal has room for them."""
    from actsearch.activations import registry

    width = shutil.get_terminal_size().columns
    by_family: dict[str, list[Activation]] = {}
    for name in registry.names():
        entry = registry.get(name)
        by_family.setdefault(entry.family, []).append(entry)
    entries = [entry for family in by_family.values() for entry in family]
    first = max(len(entry.name) for entry in entries) + 4
    second = max(len(_formula(entry)) for entry in entries) + 2
    has_papers = first + second + max(len(entry.reference) for entry in entries) <= width
    for family, members in by_family.items():
        print(f"{family}:")
        for entry in members:
            paper = entry.reference if has_papers else ""
            line = f"{f'  {entry.name}':{first}}{_formula(entry):{second if has_papers else 0}}{paper}".rstrip()
            print(textwrap.fill(line, width, subsequent_indent=" " * first) if len(line) > width else line)
    print("\nOne with its paper, parameters, initializer and curve:\n  actsearch activations NAME")


def _formula(entry: "Activation") -> str:
    return f"{entry.formula}{' (learned)' if entry.learns and 'learned' not in entry.formula else ''}"


def _show(entry: "Activation") -> None:
    from actsearch.activations.moments import second_moment, slope_second_moment

    moment = second_moment(entry)
    print(f"{entry.name} ({entry.family})")
    print(f"  f(x) = {entry.formula}")
    print(f"  paper: {entry.reference}")
    for name, parameter in entry.parameters.items():
        role = "learned, starts at" if entry.learns else "default"
        values = f"{role} {parameter.default:g}, sensible range {parameter.low:g} to {parameter.high:g}"
        print(f"  {name}: {parameter.meaning}; {values}")
    print(f"  matched initializer: variance_scaling({1 / moment:.4g}, fan_in), since E f(z)² = {moment:.4f}")
    print(f"  matched dropout: {'AlphaDropout' if entry.alpha_dropout else 'Dropout'}")
    slope = slope_second_moment(entry)
    print(f"  gradient: E f'(z)² = {slope:.4f}, so its square changes by × {slope / moment:.3f} per layer")
    print(curve(entry))


def curve(entry: "Activation", *, width: int = 65, height: int = 12) -> str:
    """Plots an activation (a line of braille dots) and its derivative (`·`) from -4 to 4 as text.

    Example:

    >>> from actsearch.activations import registry
    >>> curve(registry.get("relu")).splitlines()[0].endswith("⠔⠊")
    True
    """
    import numpy as np

    x = np.linspace(_LOW, _HIGH, 2 * width)  # a character has two columns and four rows of dots
    values, slopes = entry(x), np.gradient(entry(x), x)
    low, high = min(values.min(), slopes.min(), 0.0), max(values.max(), slopes.max(), 0.0)

    def place(value: float) -> int:
        return round((high - value) / (high - low) * (4 * height - 1))

    rows = [[" "] * width for _ in range(height)]
    rows[place(0.0) // 4] = ["─"] * width
    for number, row in enumerate(rows):
        row[width // 2] = "┼" if number == place(0.0) // 4 else "│"
    for column, slope in enumerate(slopes[::2]):
        rows[place(slope) // 4][column] = "·"
    dots = np.zeros((4 * height, 2 * width), dtype=bool)
    for column, value in enumerate(values):
        before, now = place(values[max(column - 1, 0)]), place(value)
        dots[min(before + 1, now) : max(before - 1, now) + 1, column] = True  # no gap where it is steep
    for number, row in enumerate(rows):
        for column in range(width):
            cell = dots[4 * number : 4 * number + 4, 2 * column : 2 * column + 2]
            row[column] = chr(_BRAILLE + int(cell.ravel() @ _DOTS)) if cell.any() else row[column]
    labels = {0: f"{high:6.2f} ", height - 1: f"{low:6.2f} "}
    lines = [(labels.get(number, " " * 7) + "".join(row)).rstrip() for number, row in enumerate(rows)]
    scale = f"{'':7}{_LOW:<{width - 4}g}{_HIGH:>4g}"
    return "\n".join([*lines, scale, f"{'':7}{chr(_BRAILLE + 0x12)} f(x)   · its derivative"])


_BRAILLE = 0x2800
_DOTS = (0x01, 0x08, 0x02, 0x10, 0x04, 0x20, 0x40, 0x80)  # bits of the dots, row by row


def _draw(entry: "Activation", path: Path) -> None:
    from actsearch.visualization.functions_plot import plot_activation

    try:
        plot_activation(entry).savefig(path)
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: cannot be written: {error}. Use a file that ends in .png, .svg or .pdf.") from error
