"""The picture of an activation: the function, its derivative, and what training made of its parameters."""

import re
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from actsearch.activations import registry
from actsearch.records import TrialRecord
from actsearch.visualization._style import GREY, area, label_x, legend, style_of

LOW, HIGH = -4.0, 4.0
_WIDTH = 6.0  # inches
_MAX_SITES = 12
_LABEL = re.compile(r"(\w+)(?:\(([^()]*)\))?")
_NUMBER = re.compile(r"(\w+)=([-+.\w]+)")


def plot_activation(
    name: str,
    parameters: Mapping[str, float] | None = None,
    learned: Mapping[str, Mapping[str, Sequence[float]]] | None = None,
) -> Figure:
    """The function over -4 to 4, its derivative, and the function at each site after training.

    Args:
        name: One of the register.
        parameters: Its numbers, the defaults for the rest.
        learned: By site and parameter: start, mean, smallest and largest value.
    """
    entry, x = registry.get(name), np.linspace(LOW, HIGH, 801)
    figure, axes = area(width=_WIDTH)
    colour = style_of(name).colour
    values = entry(x, **(parameters or {}))
    axes.axhline(0, color=GREY, linewidth=0.8)
    axes.axvline(0, color=GREY, linewidth=0.8)
    marks = {}
    sites = learned or {}
    for number, (site, found) in enumerate(list(sites.items())[:_MAX_SITES]):
        means = {parameter: value[1] for parameter, value in found.items()}
        (line,) = axes.plot(x, entry(x, **means), color=colour, alpha=0.4, linewidth=1)
        values_learned = ", ".join(f"{parameter} {value[0]:.3g} → {value[1]:.3g}" for parameter, value in found.items())
        marks[f"{site}: {values_learned}" if number < _MAX_SITES - 1 or len(sites) == _MAX_SITES else "…"] = line
    (marks[f"{name}{', before training' if learned else ''}"],) = axes.plot(x, values, color=colour, linewidth=2)
    (marks["derivative"],) = axes.plot(x, np.gradient(values, x), color="0.4", linestyle="--")
    label_x(axes, "x", _WIDTH - 0.9)
    axes.set_title(f"f(x) = {entry.formula}", fontsize=9)
    legend(axes, marks)
    return figure


def trial_activation_figure(trial: TrialRecord) -> Figure | None:
    """The picture of a trial's activation; None where it has several, or one that is not in the register.

    Layers that learn other parameters are none of the activation's sites.
    """
    found = _LABEL.fullmatch(trial.activation)
    if found is None or found[1] not in registry.names():
        return None
    entry = registry.get(found[1])
    given = dict(_NUMBER.findall(found[2] or ""))
    if not given.keys() <= entry.parameters.keys():
        return None
    sites = next((e.learned for e in trial.completed if e.learned), {}) if entry.learns else {}
    learned = {site: values for site, values in sites.items() if values.keys() <= entry.parameters.keys()}
    return plot_activation(entry.name, {name: float(value) for name, value in given.items()}, learned)
