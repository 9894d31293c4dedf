"""`actsearch activations`: lists the catalogue, or shows one entry with its curve."""

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
    from actsearch.activations import registry
    from actsearch.cli.terminal import print_table

    entries = [registry.get(name) for name in registry.names()]
    rows = [(e.name, e.family, e.formula, "yes" if e.learns else "", e.reference) for e in entries]
    print_table(["activation", "family", "formula", "learns", "paper"], rows)


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


def curve(entry: "Activation", *, width: int = 65, height: int = 19) -> str:
    """Plots an activation (`*`) and its derivative (`.`) from -4 to 4 as text.

    Example:

    >>> from actsearch.activations import registry
    >>> curve(registry.get("relu")).splitlines()[0].rstrip().endswith("*")
    True
    """
    import numpy as np

    x = np.linspace(_LOW, _HIGH, width)
    values, slopes = entry(x), np.gradient(entry(x), x)
    low, high = min(values.min(), slopes.min(), 0.0), max(values.max(), slopes.max(), 0.0)
    rows = [[" "] * width for _ in range(height)]

    def row_of(value: float) -> int:
        return round((high - value) / (high - low) * (height - 1))

    rows[row_of(0.0)] = ["-"] * width
    for row in rows:
        row[width // 2] = "|"
    for points, mark in ((slopes, "."), (values, "*")):
        for column, value in enumerate(points):
            rows[row_of(value)][column] = mark
    labels = {0: f"{high:6.2f} ", height - 1: f"{low:6.2f} "}
    lines = [labels.get(number, " " * 7) + "".join(row) for number, row in enumerate(rows)]
    scale = f"{'':7}{_LOW:<{width - 4}g}{_HIGH:>4g}"
    return "\n".join([*lines, scale, f"{'':7}* f(x)   . its derivative"])


def _draw(entry: "Activation", path: Path) -> None:
    from actsearch.visualization.functions_plot import plot_activation

    try:
        plot_activation(entry).savefig(path)
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: cannot be written: {error}. Use a file that ends in .png, .svg or .pdf.") from error
