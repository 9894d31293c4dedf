"""The figure of an activation: the function, its derivative, and the function with learned parameters."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from actsearch.activations.activation import Activation
from actsearch.activations.bound import BoundActivation, bind
from actsearch.errors import UnknownNameError
from actsearch.records import TrialRecord
from actsearch.visualization._style import GREY, area, label_x, legend, style_of

LOW, HIGH = -4.0, 4.0
_WIDTH = 6.0  # inches
_MAX_SITES = 12


def plot_activation(
    activation: str | Activation | BoundActivation,
    learned: Mapping[str, Mapping[str, Sequence[float]]] | None = None,
) -> Figure:
    """Draws an activation from -4 to 4, its derivative, and the function at each site after training.

    Args:
        activation: Name of an activation, an entry of the catalogue, or an activation with values for its parameters.
        learned: By site and parameter: initial, mean, smallest and largest value.

    Returns:
        The figure.

    Raises:
        UnknownNameError: No activation has that name, or it does not have one of the parameters.

    Example:

    >>> plot_activation("selu").axes[0].get_title().startswith("f(x) = λ·x for x ≥ 0")
    True
    """
    bound = bind(activation)
    x = np.linspace(LOW, HIGH, 801)
    figure, axes = area(width=_WIDTH)
    colour = style_of(bound.name).colour
    values = bound(x)
    axes.axhline(0, color=GREY, linewidth=0.8)
    axes.axvline(0, color=GREY, linewidth=0.8)
    marks = {}
    sites = learned or {}
    for number, (site, trained) in enumerate(list(sites.items())[:_MAX_SITES]):
        means = {parameter: value[1] for parameter, value in trained.items()}
        (line,) = axes.plot(x, bind(bound, **means)(x), color=colour, alpha=0.4, linewidth=1)
        changes = ", ".join(f"{parameter} {value[0]:.3g} → {value[1]:.3g}" for parameter, value in trained.items())
        marks[f"{site}: {changes}" if number < _MAX_SITES - 1 or len(sites) == _MAX_SITES else "…"] = line
    (marks[f"{bound.name}{', before training' if learned else ''}"],) = axes.plot(x, values, color=colour, linewidth=2)
    (marks["derivative"],) = axes.plot(x, np.gradient(values, x), color="0.4", linestyle="--")
    label_x(axes, "x", _WIDTH - 0.9)
    axes.set_title(f"f(x) = {bound.activation.formula}", fontsize=9)
    legend(axes, marks)
    return figure


def trial_activation_figure(trial: TrialRecord) -> Figure | None:
    """Draws a trial's activation; None if it has several, or one that is not in the catalogue.

    Layers that learn other parameters are not sites of the activation and are omitted.
    """
    bound = only_activation(trial)
    if bound is None:
        return None
    sites = next((e.learned for e in trial.completed if e.learned), {}) if bound.activation.learns else {}
    return plot_activation(
        bound, {site: values for site, values in sites.items() if values.keys() <= bound.parameters.keys()}
    )


def only_activation(trial: TrialRecord) -> BoundActivation | None:
    """Returns the activation of a trial; None if its sites have different ones, or it is not in the catalogue."""
    try:
        activations = {BoundActivation.from_dict(data) for data in trial.activations.values()}
    except UnknownNameError:
        return None
    return activations.pop() if len(activations) == 1 else None
