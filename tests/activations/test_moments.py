"""Gaussian moments against closed forms, a reference table, and each other for all kinds of functions."""

import csv
import math
from pathlib import Path

import keras
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from actsearch.activations.activation import Activation
from actsearch.activations.catalogue import ENTRIES
from actsearch.activations.moments import second_moment, slope_second_moment
from actsearch.activations.registry import get
from actsearch.errors import UnknownNameError, UsageError

with (Path(__file__).parent / "gaussian_moments.csv").open() as file:
    REFERENCE = list(csv.DictReader(file))

PARAMETER = {"leaky_relu": "slope", "prelu": "slope", "elu": "alpha"}


def entry_and_parameters(label):
    name, _, value = label.partition("(")
    return get(name), {PARAMETER[name]: float(value.rstrip(")"))} if value else {}


def tail(x):
    """P(z > x)."""
    return math.erfc(x / math.sqrt(2)) / 2


def density(x):
    return math.exp(-x * x / 2) / math.sqrt(2 * math.pi)


@pytest.mark.parametrize("row", REFERENCE, ids=lambda row: row["activation"])
def test_reference_table(row):
    entry, parameters = entry_and_parameters(row["activation"])

    def function(z):
        return entry.function(z, **entry.values(parameters))

    kinks = entry.kinks_at(parameters)
    assert second_moment(function, kinks=kinks) == pytest.approx(float(row["second_moment"]), abs=1e-5)
    assert slope_second_moment(function, kinks=kinks) == pytest.approx(float(row["slope_second_moment"]), abs=1e-5)


ELU_BELOW = math.e**2 * tail(2) - 2 * math.sqrt(math.e) * tail(1) + 0.5

CLOSED_FORMS = {
    "linear": (1.0, 1.0),
    "relu": (0.5, 0.5),
    "prelu": ((1 + 0.25**2) / 2, (1 + 0.25**2) / 2),
    "rrelu": ((1 + (11 / 48) ** 2) / 2, (1 + (11 / 48) ** 2) / 2),
    "elu": (0.5 + ELU_BELOW, 0.5 + math.e**2 * tail(2)),
    "hard_shrink": (2 * (0.5 * density(0.5) + tail(0.5)), 2 * tail(0.5)),
    "soft_shrink": (2 * (1.25 * tail(0.5) - 0.5 * density(0.5)), 2 * tail(0.5)),
    "hard_tanh": (1 - 2 * density(1), 1 - 2 * tail(1)),
    "squareplus": (1.5, None),
    "gelu": (1 / 3 + 1 / (2 * math.sqrt(3) * math.pi), None),
}


@pytest.mark.parametrize("name", CLOSED_FORMS)
def test_closed_forms_to_nine_digits(name):
    value, slope = CLOSED_FORMS[name]
    assert second_moment(name) == pytest.approx(value, rel=1e-9)
    if slope is not None:
        assert slope_second_moment(name) == pytest.approx(slope, rel=1e-8)


def test_softplus_slope_is_the_sigmoid():
    assert slope_second_moment("softplus") == pytest.approx(second_moment("sigmoid"), rel=1e-8)
    assert slope_second_moment("sparse_plus") == pytest.approx(second_moment("sparse_sigmoid"), rel=1e-8)


def test_exponential():
    assert second_moment(np.exp, kinks=()) == pytest.approx(math.e**2, rel=1e-9)
    assert slope_second_moment(np.exp, kinks=()) == pytest.approx(math.e**2, rel=1e-8)


@settings(max_examples=20, deadline=None)
@example(5e-324, 0.0, 0.0)
@example(2.0, 0.5, 1.0)
@given(st.floats(-3, 3), st.floats(-1, 1), st.floats(-2, 2))
def test_broken_line_with_any_kink(kink, below, above):
    def line(z):
        return np.where(z < kink, below, above) * (z - kink)

    upper = (1 + kink**2) * tail(kink) - kink * density(kink)
    expected = above**2 * upper + below**2 * (1 + kink**2 - upper)
    assert second_moment(line, kinks=(kink,)) == pytest.approx(expected, rel=1e-9, abs=1e-12)
    slope = above**2 * tail(kink) + below**2 * tail(-kink)
    assert slope_second_moment(line, kinks=(kink,)) == pytest.approx(slope, rel=1e-8, abs=1e-12)


def test_kinks_that_fall_together():
    assert slope_second_moment(np.abs, kinks=(0.0, 1e-300, -1e-15)) == pytest.approx(1.0, rel=1e-8)


def test_kink_that_is_not_named():
    def shifted(z):
        return np.maximum(z, -0.75)

    exact = tail(-0.75) - 0.75 * density(0.75) + 0.75**2 * tail(0.75)
    assert second_moment(shifted) == pytest.approx(exact, rel=1e-9)
    assert slope_second_moment(shifted) == pytest.approx(tail(-0.75), rel=1e-3)


def test_jump_that_is_not_named():
    def shrink(z):
        return np.where(abs(z) > 0.6, z, 0)

    assert second_moment(shrink) == pytest.approx(2 * (0.6 * density(0.6) + tail(0.6)), rel=1e-9)


KERAS_KINDS = {
    "keras.activations": keras.activations.silu,
    "keras.ops": keras.ops.silu,
    "function of the user": lambda x: x * keras.ops.sigmoid(x),
    "layer": keras.layers.Activation("silu"),
    "NumPy in float32": lambda x: (x / (1 + np.exp(-x))).astype(np.float32),
}


@pytest.mark.parametrize("kind", KERAS_KINDS)
def test_float32_noise_does_not_ruin_them(kind):
    function = KERAS_KINDS[kind]
    assert second_moment(function, kinks=()) == pytest.approx(second_moment("silu"), rel=1e-6)
    assert slope_second_moment(function, kinks=()) == pytest.approx(slope_second_moment("silu"), rel=1e-4)


def test_float16_layer():
    layer = keras.layers.Activation("silu", dtype="float16")
    assert second_moment(layer, kinks=()) == pytest.approx(second_moment("silu"), rel=1e-2)


def test_layer_that_is_not_built_stays_so():
    layer = keras.layers.PReLU()
    assert second_moment(layer) == pytest.approx(0.5, rel=1e-6)
    assert not layer.built


def test_trained_layer_is_averaged_over_its_units():
    layer = keras.layers.PReLU(shared_axes=[1])
    layer.build((None, 3, 2))
    layer.set_weights([np.array([[0.0, 1.0]], dtype=np.float32)])
    assert second_moment(layer) == pytest.approx((0.5 + 1) / 2, rel=1e-6)
    assert slope_second_moment(layer) == pytest.approx((0.5 + 1) / 2, rel=1e-4)


def test_layer_is_taken_in_inference():
    assert second_moment(keras.layers.Dropout(0.5, seed=1), kinks=()) == pytest.approx(1.0, rel=1e-6)


def test_entry_in_float32_uses_its_layer():
    entry = Activation(
        name="half",
        family="user",
        formula="x/2",
        reference="a test",
        function=lambda x: np.float32(x) / 2,
        make=lambda: keras.layers.Rescaling(0.5),
    )
    assert second_moment(entry) == pytest.approx(0.25, rel=1e-6)
    assert slope_second_moment(entry) == pytest.approx(0.25, rel=1e-4)


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_whole_catalogue_has_usable_moments(entry):
    samples = np.random.default_rng(0).standard_normal(200_000)
    measured = np.mean(entry(samples) ** 2)
    assert second_moment(entry) == pytest.approx(measured, rel=0.03)
    assert 0 < slope_second_moment(entry) < 2


def test_constants_and_zero():
    assert second_moment(lambda _: 0.5) == pytest.approx(0.25)
    assert second_moment(np.zeros_like) == 0.0
    assert slope_second_moment(lambda _: 0.5) == 0.0
    assert slope_second_moment(keras.ops.zeros_like) == 0.0


@pytest.mark.parametrize("power", [1 / 4, 1 / 2, 10])
def test_divergence_is_infinite(power):
    assert second_moment(lambda z: np.exp(power * z * z)) == math.inf


def test_not_a_number_is_told():
    assert math.isnan(second_moment(np.log))


@pytest.mark.parametrize("moment", [second_moment, slope_second_moment])
def test_wrong_arguments(moment):
    with pytest.raises(UnknownNameError, match="Did you mean 'selu'"):
        moment("seluu")
    with pytest.raises(UsageError, match=r"moments of 3; expected an Activation"):
        moment(3)
