"""Fixtures for the tests of training."""

import pytest

from actsearch.training.data import TrainingData


@pytest.fixture
def data(digits):
    """Handwritten digits in three parts."""
    x, y = digits
    return TrainingData(x[:300], y[:300], (x[300:450], y[300:450]), (x[450:], y[450:]))
