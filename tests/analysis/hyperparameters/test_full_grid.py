"""Parts of the variance in a full grid, against NumPy."""

import numpy as np
import pytest

from actsearch.analysis.hyperparameters.forest import HyperparameterTable
from actsearch.analysis.hyperparameters.full_grid import interaction_part, total_parts


def table_of(shape, rng):
    """A full grid in random order, and the position of each trial."""
    positions = rng.permutation([list(index) for index in np.ndindex(*shape)])
    names = tuple(f"h{axis}" for axis in range(len(shape)))
    return HyperparameterTable(names, tuple(map(tuple, positions.tolist())), ((),) * len(positions)), positions


def test_without_noise_parts_are_mean_variances_along_an_axis():
    rng = np.random.default_rng(0)
    cube = rng.standard_normal((2, 3, 4))
    table, positions = table_of(cube.shape, rng)
    parts = total_parts(table, cube[tuple(positions.T)], noise=0.0)
    for axis, part in enumerate(parts.values()):
        assert part.variance == pytest.approx(np.mean(np.var(cube, axis=axis)))
        assert part.error == 0


def test_noise_is_subtracted_and_the_errors_are_those_of_repeated_draws():
    rng = np.random.default_rng(1)
    shape, noise = (3, 4, 2), 0.04
    effect = 0.5 * np.arange(3)[:, None, None] * np.ones(shape)
    table, positions = table_of(shape, rng)
    drawn = [
        total_parts(table, (effect + 0.2 * rng.standard_normal(shape))[tuple(positions.T)], noise) for _ in range(400)
    ]
    for name, truth in (("h0", np.var(0.5 * np.arange(3))), ("h1", 0.0)):
        found = np.array([parts[name].variance for parts in drawn])
        assert found.mean() == pytest.approx(truth, abs=0.005)
        assert np.mean([parts[name].error for parts in drawn]) == pytest.approx(found.std(), rel=0.25)


def test_an_interaction_is_what_rows_and_columns_do_not_explain():
    rows, columns = np.arange(3.0)[:, None], np.arange(4.0)
    assert interaction_part(rows + columns, noise=0.0).variance == pytest.approx(0, abs=1e-12)
    product = interaction_part(rows * columns, noise=0.0).variance
    assert product == pytest.approx(np.var(rows) * np.var(columns))
