"""Self-normalising units."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats

from actsearch import layers
from actsearch.activations.registry import get
from actsearch.errors import UsageError

numbers = st.lists(st.floats(-50, 50), min_size=1, max_size=8)


def leaky_selu(x, scale, alpha, slope=0.0):
    """By the formula of the paper, with constants of the layer's."""
    return scale * np.where(x > 0, x, alpha * np.exp(np.minimum(x, 0)) + slope * x - alpha)


def scaled_selu(x, scale, alpha, beta):
    return scale * np.where(x > 0, x, alpha * np.exp(beta * np.minimum(x, 0)) - alpha)


def moments(function):
    """Mean and second moment of the function of a standard normal variable."""

    def expectation(g):
        sides = ((-12, 0), (0, 12))
        return sum(integrate.quad(lambda z: g(z) * stats.norm.pdf(z), *side, epsabs=1e-12)[0] for side in sides)

    return expectation(function), expectation(lambda z: function(z) ** 2)


def test_selu_and_serlu_keep_mean_0_and_variance_1():
    assert moments(lambda z: leaky_selu(z, 1.0507009873554804934, 1.6732632423543772848)) == pytest.approx(
        (0, 1), abs=1e-12
    )
    assert moments(get("serlu")) == pytest.approx((0, 1), abs=1e-8)


@pytest.mark.parametrize("slope", [0.0, 0.1, 0.5, 0.9])
def test_leaky_selu_keeps_mean_0_and_variance_1_for_every_slope(slope):
    layer = layers.LeakySELU(slope)
    found = moments(lambda z: leaky_selu(z, layer.scale, layer.alpha, slope))
    assert found == pytest.approx((0, 1), abs=1e-10)


@pytest.mark.parametrize("beta", [0.3, 0.8, 1.0, 2.0])
def test_scaled_selu_keeps_mean_0_and_variance_1_for_every_beta(beta):
    layer = layers.ScaledSELU(beta)
    found = moments(lambda z: scaled_selu(z, layer.scale, layer.alpha, beta))
    assert found == pytest.approx((0, 1), abs=1e-10)


def test_the_special_cases_have_the_constants_of_selu():
    for layer in (layers.LeakySELU(0.0), layers.ScaledSELU(1.0)):
        assert layer.scale == pytest.approx(1.0507009873554804934, rel=1e-12)
        assert layer.alpha == pytest.approx(1.6732632423543772848, rel=1e-12)


@settings(max_examples=25, deadline=None)
@given(numbers)
def test_special_cases_and_starts_are_selu(values):
    x = np.array([values], "float64")
    expected = layers.SELU(dtype="float64")(x)
    for layer in (
        layers.ParametricSELU,
        lambda **k: layers.LeakySELU(0.0, **k),
        lambda **k: layers.ScaledSELU(1.0, **k),
    ):
        np.testing.assert_allclose(layer(dtype="float64")(x), expected, rtol=2e-7, atol=1e-12)


def test_constants_of_one_s_own_are_taken_and_saved():
    for layer in (layers.LeakySELU(0.2, scale=1.1, alpha=1.2), layers.ScaledSELU(0.7, scale=1.1, alpha=1.2)):
        again = type(layer).from_config(layer.get_config())
        assert (again.scale, again.alpha) == (1.1, 1.2)


def test_numbers_out_of_range_are_refused():
    for slope in (-0.1, 1.0):
        with pytest.raises(UsageError, match=rf"LeakySELU got slope={slope}; expected 0 ≤ slope < 1"):
            layers.LeakySELU(slope)
    with pytest.raises(UsageError, match="ScaledSELU got beta=0; expected a number above 0"):
        layers.ScaledSELU(0)
    with pytest.raises(UsageError, match="LeakySELU got scale=-1; expected a number above 0"):
        layers.LeakySELU(scale=-1)
