"""Every entry against the layer that it makes: values, gradients, half precision, training."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad

from actsearch.activations import functions as f
from actsearch.activations.catalogue import ENTRIES
from actsearch.activations.moments import second_moment
from actsearch.activations.registry import get

GRID = np.concatenate([np.linspace(-8, 8, 161), [-30.0, -6.0, 6.0, 6.5, 30.0]])
every_entry = pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)

# By hand: exp(-1) = 0.367879441171442, tanh(1) = 0.761594155955765, log 2 = 0.693147180559945.
ORACLE = {
    "relu": {-2: 0, 0: 0, 3: 3},
    "relu6": {-2: 0, 5: 5, 7: 6},
    "leaky_relu": {-2: -0.02, 3: 3},
    "prelu": {-2: -0.5, 3: 3},
    "rrelu": {-48: -11, 3: 3},
    "elu": {-1: -0.632120558828558, 2: 2},
    "pelu": {-1: -0.632120558828558, 2: 2},
    "mpelu": {-1: -0.632120558828558, 2: 2},
    "celu": {-1: -0.632120558828558, 2: 2},
    "selu": {-1: -1.111330737812563, 1: 1.050700987355480},
    "leaky_selu": {-10: -2.623266013, 1: 1.046849011},
    "scaled_selu": {-100: -2.000673781, 1: 1.044352607},
    "serlu": {-1: -1.152419157, 1: 1.078618284},
    "parametric_selu": {-1: -1.111330737812563, 1: 1.050700987355480},
    "sigmoid": {-1: 0.268941421369995, 0: 0.5},
    "hard_sigmoid": {-4: 0, -1.5: 0.25, 0: 0.5, 3: 1},
    "sparse_sigmoid": {-2: 0, 0: 0.5, 0.5: 0.75, 2: 1},
    "tanh": {-1: -0.761594155955765},
    "hard_tanh": {-2: -1, 0.5: 0.5, 2: 1},
    "softsign": {-1: -0.5, 3: 0.75},
    "softplus": {0: 0.693147180559945, 30: 30},
    "squareplus": {-1.5: 0.5, 0: 1, 1.5: 2},
    "sparse_plus": {-1: 0, 0: 0.25, 0.5: 0.5625, 2: 2},
    "silu": {-1: -0.268941421369995, 0: 0},
    "hard_silu": {-4: 0, -1: -1 / 3, 1: 2 / 3, 4: 4},
    "gelu": {-1: -0.158655253931457, 1: 0.841344746068543},
    "mish": {-1: -0.303401461, 1: 0.865098388},
    "log_sigmoid": {0: -0.693147180559945, -30: -30},
    "soft_shrink": {-2: -1.5, 0.25: 0, 2: 1.5},
    "hard_shrink": {-2: -2, 0.25: 0, 2: 2},
    "tanh_shrink": {1: 0.238405844044235},
    "linear": {-2: -2, 3: 3},
}

OTHER_PARAMETERS = {
    "leaky_relu": {"slope": 0.3},
    "prelu": {"slope": 0.1},
    "rrelu": {"low": 0.1, "high": 0.5},
    "elu": {"alpha": 0.5},
    "pelu": {"a": 1.5, "b": 0.5},
    "mpelu": {"alpha": 0.5, "beta": 1.5},
    "celu": {"alpha": 0.5},
    "leaky_selu": {"slope": 0.3},
    "scaled_selu": {"beta": 0.5},
    "parametric_selu": {"scale": 1.2, "alpha": 0.8},
    "squareplus": {"b": 1.0},
    "soft_shrink": {"threshold": 0.75},
    "hard_shrink": {"threshold": 0.75},
}


def computed(layer, x, dtype="float32"):
    """What a layer computes for numbers `(n,)`, each through the same unit."""
    return keras.ops.convert_to_numpy(layer(tf.constant(x[:, None], dtype), training=False))[:, 0]


@pytest.fixture
def half_precision():
    keras.config.set_dtype_policy("float16")
    yield
    keras.config.set_dtype_policy("float32")


def test_names_are_unique_and_every_entry_is_described():
    assert len({entry.name for entry in ENTRIES}) == len(ENTRIES)
    for entry in ENTRIES:
        assert entry.formula and entry.reference
        assert all(p.low <= p.default <= p.high and p.meaning for p in entry.parameters.values())
        assert not entry.learns or "learned" in entry.formula


def test_oracle_and_other_parameters_cover_the_catalogue():
    assert ORACLE.keys() == {entry.name for entry in ENTRIES}
    assert OTHER_PARAMETERS.keys() == {entry.name for entry in ENTRIES if entry.parameters}
    for name, parameters in OTHER_PARAMETERS.items():
        assert parameters.keys() == get(name).parameters.keys()


@every_entry
def test_oracle(entry):
    for x, y in ORACLE[entry.name].items():
        assert entry(x) == pytest.approx(y, rel=1e-6, abs=1e-9)


@every_entry
def test_layer_computes_the_function(entry):
    np.testing.assert_allclose(computed(entry.layer(), GRID), entry(GRID), rtol=2e-6, atol=2e-6)


@pytest.mark.parametrize("name", OTHER_PARAMETERS)
def test_layer_computes_the_function_with_other_parameters(name):
    entry, parameters = get(name), OTHER_PARAMETERS[name]
    np.testing.assert_allclose(
        computed(entry.layer(**parameters), GRID), entry(GRID, **parameters), rtol=2e-6, atol=2e-6
    )
    assert not np.allclose(entry(GRID, **parameters), entry(GRID))


@every_entry
def test_gradient_is_the_functions_slope(entry):
    x = np.linspace(-4, 4, 83)
    x = x[np.all([np.abs(x - kink) > 1e-3 for kink in (*entry.kinks_at(), np.inf)], axis=0)]
    slope = (entry(x + 1e-5) - entry(x - 1e-5)) / 2e-5
    inputs = tf.constant(x[:, None], tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        outputs = entry.layer()(inputs, training=False)
    np.testing.assert_allclose(tape.gradient(outputs, inputs)[:, 0], slope, rtol=1e-4, atol=1e-5)


@every_entry
@pytest.mark.usefixtures("half_precision")
def test_half_precision(entry):
    x = np.linspace(-8, 8, 65)
    y = computed(entry.layer(), x, "float16")
    assert y.dtype == np.float16
    np.testing.assert_allclose(y, entry(x), rtol=4e-3, atol=4e-3)


@every_entry
def test_learns_as_it_says(entry):
    layer = entry.layer()
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4), layer, keras.layers.Dense(1)])
    in_model = {variable.path for variable in model.trainable_variables}
    assert bool(layer.trainable_weights) == entry.learns
    assert {variable.path for variable in layer.trainable_weights} <= in_model

    before = [variable.numpy() for variable in layer.trainable_weights]
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((2, 32, 3)).astype("float32")
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean((model(x, training=True) - y[:, :1]) ** 2)
    variables = model.trainable_variables
    keras.optimizers.SGD(0.1).apply(tape.gradient(loss, variables), variables)
    for variable, old in zip(layer.trainable_weights, before, strict=True):
        assert not np.allclose(variable.numpy(), old), variable.path


def mean(function):
    """E f(z) by another quadrature than the moments use."""

    def weighted(z):
        return function(z) * np.exp(-z * z / 2) / np.sqrt(2 * np.pi)

    return quad(weighted, -12, 0)[0] + quad(weighted, 0, 12)[0]


@every_entry
def test_alpha_dropout_belongs_to_the_fixed_point_of_mean_0_and_variance_1(entry):
    fixed = abs(mean(entry)) < 1e-9 and abs(second_moment(entry) - 1) < 1e-9
    assert entry.alpha_dropout == (fixed and entry.name != "linear")


@given(st.floats(0.2, 3), st.floats(0, 0.9))
def test_self_normalising_numbers_have_the_fixed_point(beta, slope):
    scale, alpha = f.self_normalising(beta, slope)

    def function(z):
        return scale * (np.maximum(z, 0) + np.minimum(alpha * np.expm1(beta * z) + slope * z, 0))

    assert mean(function) == pytest.approx(0, abs=1e-9)
    assert second_moment(function) == pytest.approx(1, rel=1e-9)


def test_self_normalising_numbers_of_selu_are_the_published_ones():
    assert f.self_normalising() == pytest.approx((f.SELU_SCALE, f.SELU_ALPHA), rel=1e-14)


@given(st.floats(-50, 50))
def test_special_cases(x):
    x = np.float64(x)
    assert f.leaky_relu(x, 0.0) == f.relu(x)
    assert f.leaky_relu(x, 1.0) == x
    assert f.elu(x, 1.0) == f.pelu(x, 1.0, 1.0) == f.mpelu(x, 1.0, 1.0) == f.celu(x, 1.0)
    assert f.soft_shrink(x, 0.0) == f.hard_shrink(x, 0.0) == x
    assert f.squareplus(x, 0.0) == pytest.approx(f.relu(x))
    assert f.softplus(x) + f.log_sigmoid(x) == pytest.approx(x)


@pytest.mark.parametrize("name", ["leaky_relu", "elu", "pelu", "mpelu", "celu", "selu", "serlu"])
def test_continuous_at_zero(name):
    below, above = get(name)(np.array([-1e-9, 1e-9]))
    assert above - below == pytest.approx(0, abs=1e-8)
