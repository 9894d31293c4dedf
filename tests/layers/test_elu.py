"""Exponential linear units."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from actsearch import layers
from actsearch.errors import UsageError

numbers = st.lists(st.floats(-50, 50, allow_subnormal=False), min_size=1, max_size=8)
positive = st.floats(0.1, 5)
law = settings(max_examples=25, deadline=None)
EPS = 1e-9


def family(p, q):
    """A layer of each kind with these numbers, in double precision."""
    make = {
        "ELU": layers.ELU(p, dtype="float64"),
        "CELU": layers.CELU(p, dtype="float64"),
        "PELU": layers.PELU(p, q, dtype="float64"),
        "MPELU": layers.MPELU(p, q, dtype="float64"),
        "ParametricSELU": layers.ParametricSELU(p, q, dtype="float64"),
        "LeakySELU": layers.LeakySELU(0.1, scale=p, alpha=q, dtype="float64"),
        "ScaledSELU": layers.ScaledSELU(p, scale=q, dtype="float64"),
        "SERLU": layers.SERLU(dtype="float64"),
        "SELU": layers.SELU(dtype="float64"),
    }
    return make.values()


def slopes_beside_zero(layer):
    x = tf.constant([[-EPS], [EPS]], "float64")
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = layer(x)
    return tape.gradient(y, x).numpy().ravel()


@law
@given(positive, positive)
def test_the_family_is_continuous_at_zero(p, q):
    for layer in family(p, q):
        below, at, above = layer(np.array([[-EPS], [0.0], [EPS]])).numpy().ravel()
        assert at == 0
        assert abs(below) + abs(above) < 200 * EPS


@law
@given(positive, positive)
def test_the_derivatives_of_celu_and_pelu_are_continuous_at_zero(p, q):
    for layer in (layers.CELU(p, dtype="float64"), layers.PELU(p, q, dtype="float64")):
        below, above = slopes_beside_zero(layer)
        assert below == pytest.approx(above, rel=1e-6)


@law
@given(numbers)
def test_mpelu_and_pelu_start_as_elu_where_both_numbers_are_1(values):
    x = np.array([values], "float32")
    expected = layers.ELU()(x)
    smallest_normal = np.finfo("float32").tiny
    np.testing.assert_allclose(layers.MPELU(1.0, 1.0)(x), expected, rtol=0, atol=smallest_normal)
    np.testing.assert_allclose(layers.PELU(1.0, 1.0)(x), expected, rtol=0, atol=smallest_normal)


@law
@given(numbers, positive)
def test_mpelu_is_celu_where_beta_is_one_over_alpha(values, alpha):
    x = np.array([values], "float64")
    mpelu = layers.MPELU(alpha, 1 / alpha, dtype="float64")
    np.testing.assert_allclose(mpelu(x), layers.CELU(alpha, dtype="float64")(x), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize(
    ("layer", "names"), [(layers.PELU, ["a", "b"]), (layers.MPELU, ["beta"])], ids=["PELU", "MPELU"]
)
def test_a_step_too_far_stops_at_the_smallest_value(layer, names):
    layer = layer()
    model = keras.Sequential([keras.Input((2,)), layer])
    model.compile(keras.optimizers.SGD(1e4), "mse")
    x = np.array([[-1.0, -1.0], [-2.0, -2.0]], "float32")
    model.fit(x, np.zeros((2, 2)), verbose=0)
    values = {v.name: v.numpy() for v in layer.trainable_variables}
    smallest = type(layer).smallest
    assert set(smallest) == set(names)
    for name in names:
        assert (values[name] >= np.float32(smallest[name])).all()
    assert any((values[name] == np.float32(smallest[name])).all() for name in names)
    assert np.isfinite(model.predict(x, verbose=0)).all()


def test_a_start_below_the_smallest_value_is_refused():
    with pytest.raises(UsageError, match=r"PELU got b=0\.0; expected at least 0\.1"):
        layers.PELU(b=0.0)
    with pytest.raises(UsageError, match="MPELU got beta=-1"):
        layers.MPELU(beta=-1)


@pytest.mark.parametrize("alpha", [0.0, -1.0, float("nan")])
@pytest.mark.parametrize("layer", [layers.ELU, layers.CELU])
def test_an_alpha_that_is_not_above_zero_is_refused(layer, alpha):
    with pytest.raises(UsageError, match=rf"{layer.__name__} got alpha={alpha}; expected a number above 0"):
        layer(alpha)


def test_celu_with_a_small_alpha_does_not_overflow_in_half_precision():
    x = np.array([-6e4, 6e4], "float16")
    np.testing.assert_allclose(layers.CELU(0.01, dtype="float16")(x), [-0.01, 6e4], rtol=1e-3)
