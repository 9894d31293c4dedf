"""Sums over executions instead of all values."""

import numpy as np
import pytest

from actsearch.analysis.sample_moments import TestedSamples


def test_the_moments_are_those_of_all_values_together():
    """Written out for executions that test different samples."""
    draw = np.random.default_rng(0)
    parts = [draw.choice(50, 12, replace=False) for _ in range(4)]
    values = [draw.normal(size=12) for _ in parts]
    tested = TestedSamples()
    for part, value in zip(parts, values, strict=True):
        tested.add(part, value)
    found = tested.moments()
    grid = np.zeros((4, 50))
    for row, part, value in zip(grid, parts, values, strict=True):
        row[part] = (value - value.mean()) / np.sqrt(12 * 11)
    products = grid @ grid.T
    shared = (products.sum() - np.trace(products)) / 12
    times = np.bincount(np.concatenate(parts), minlength=50)
    assert found.shared == pytest.approx(max(shared, 0.0))
    assert found.within == pytest.approx(max(np.trace(products) / 4 - found.shared, np.trace(products) / 40))
    assert (found.num_test, found.num_tested) == (12, np.count_nonzero(times))
    assert found.num_samples == max(round((48**2 - 4 * 144) / (times @ times - 48)), found.num_tested)
