"""What depends on each hyperparameter in a full grid: its trials show that themselves, no model is needed.

Variances are those of the grid, each value being as frequent as the others. What the noise of the executions adds to
them is subtracted; standard errors are those of a sum of squares with that noise.
"""

import math
from typing import NamedTuple

import numpy as np

from actsearch.analysis.hyperparameters.forest import HyperparameterTable
from actsearch.analysis.statistics import Array


class Part(NamedTuple):
    """A part of the variance between trials, and its standard error."""

    variance: float
    error: float


def total_parts(table: HyperparameterTable, means: Array, noise: float) -> dict[str, Part]:
    """Computes the variance that depends on each hyperparameter, alone or together with others.

    Args:
        table: A full grid.
        means: Mean scores of the trials, shape (trials,).
        noise: Variance of such a mean.
    """
    cube = np.zeros([len(table.levels(name)) for name in table.names])
    columns = [[table.levels(name).index(value) for value in table.column(name)] for name in table.names]
    cube[tuple(np.array(column) for column in columns)] = means
    return {
        name: _part(cube - cube.mean(axis=axis, keepdims=True), cube.size - cube.size // cube.shape[axis], noise)
        for axis, name in enumerate(table.names)
    }


def cell_means(table: HyperparameterTable, means: Array, name: str, other: str) -> Array:
    """Computes the means over the trials with each pair of values of two hyperparameters, shape (values, values)."""
    first, second = np.array(table.column(name)), np.array(table.column(other))
    pairs = [[(first == a) & (second == b) for b in table.levels(other)] for a in table.levels(name)]
    return np.array([[np.mean(means[chosen]) for chosen in row] for row in pairs])


def interaction_part(cells: Array, noise: float) -> Part:
    """Computes the variance of the interaction of two hyperparameters.

    Args:
        cells: Means over the trials with each pair of values, shape (values, values).
        noise: Variance of such a mean.

    Example:

    >>> interaction_part(np.array([[0.0, 1.0], [1.0, 0.0]]), noise=0.0)
    Part(variance=0.25, error=0.0)
    """
    rest = cells - cells.mean(axis=0) - cells.mean(axis=1, keepdims=True) + cells.mean()
    return _part(rest, (cells.shape[0] - 1) * (cells.shape[1] - 1), noise)


def _part(deviations: Array, df: int, noise: float) -> Part:
    found = float(np.sum(deviations**2)) - df * noise
    error = math.sqrt(2 * df * noise**2 + 4 * noise * max(found, 0.0))
    return Part(found / deviations.size, error / deviations.size)
