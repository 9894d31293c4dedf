"""The matched initializer keeps the forward variance; the matched dropout keeps mean and variance."""

import keras
import numpy as np
import pytest

from actsearch.activations.activation import Activation
from actsearch.activations.catalogue import ENTRIES
from actsearch.activations.initializers import matched_dropout, matched_initializer
from actsearch.activations.moments import second_moment, slope_second_moment
from actsearch.activations.registry import get
from actsearch.errors import UnknownNameError, UsageError

# The mean over networks spreads by √(DEPTH·(E f⁴ / (E f²)² - 1) / WIDTH / NETWORKS): 0.16 for ReLU.
WIDTH, DEPTH, NETWORKS, INPUTS = 256, 8, 6, 16


def forward(entry, scale=None):
    """Second moment of the inputs of the last activation, DEPTH layers after standard normal ones."""
    rng = np.random.default_rng(0)
    moments = []
    for network in range(NETWORKS):
        z = rng.standard_normal((INPUTS, WIDTH))
        for layer in range(DEPTH):
            seed = 100 * network + layer
            if scale is None:
                initializer = matched_initializer(entry, seed=seed)
            else:
                initializer = keras.initializers.VarianceScaling(scale, seed=seed)
            z = entry(z) @ keras.ops.convert_to_numpy(initializer((WIDTH, WIDTH)))
        moments.append(np.mean(z**2))
    return np.mean(moments)


@pytest.mark.parametrize(
    ("name", "parameters", "scale"),
    [
        ("relu", {}, 2.0),
        ("selu", {}, 1.0),
        ("linear", {}, 1.0),
        ("leaky_relu", {"slope": 0.3}, 2 / 1.09),
        ("prelu", {}, 2 / 1.0625),
    ],
)
def test_known_scales(name, parameters, scale):
    initializer = matched_initializer(get(name), parameters)
    assert isinstance(initializer, keras.initializers.VarianceScaling)
    assert initializer.scale == pytest.approx(scale, rel=1e-9 if name != "selu" else 1e-6)
    assert (initializer.mode, initializer.distribution) == ("fan_in", "truncated_normal")


def test_weights_are_those_of_he_for_relu():
    matched = matched_initializer(get("relu"), seed=3)((30, 20))
    np.testing.assert_allclose(matched, keras.initializers.HeNormal(seed=3)((30, 20)), rtol=1e-6)


def test_seed_decides_the_weights_up_to_scale():
    relu, tanh = (matched_initializer(get(name), seed=3) for name in ("relu", "tanh"))
    ratio = np.sqrt(tanh.scale / relu.scale)
    np.testing.assert_allclose(tanh((30, 20)), relu((30, 20)) * ratio, rtol=1e-5)


def test_global_seed_decides_where_none_is_given():
    keras.utils.set_random_seed(7)
    first = keras.ops.convert_to_numpy(matched_initializer(get("relu"))((4, 4)))
    second = keras.ops.convert_to_numpy(matched_initializer(get("relu"))((4, 4)))
    keras.utils.set_random_seed(7)
    again = keras.ops.convert_to_numpy(matched_initializer(get("relu"))((4, 4)))
    np.testing.assert_array_equal(first, again)
    assert not np.allclose(first, second)


@pytest.mark.parametrize("name", ["relu", "tanh", "sigmoid", "selu", "gelu", "pelu"])
def test_forward_second_moment_is_kept_over_depth(name):
    assert 0.7 < forward(get(name)) < 1.4


def test_without_matching_it_is_not_kept():
    assert forward(get("relu"), scale=1.0) < 0.01
    assert forward(get("tanh"), scale=1.0) < 0.2


@pytest.mark.parametrize(("name", "ratio"), [("relu", 1.0), ("selu", 4.0)])
def test_gradient_over_20_layers_as_published(name, ratio):
    assert (slope_second_moment(name) / second_moment(name)) ** 20 == pytest.approx(ratio, rel=0.01)


@pytest.mark.parametrize("value", [0.0, np.inf, np.nan])
def test_no_initializer_for_an_unusable_moment(value):
    entry = Activation("odd", "user", "constant", "a test", lambda x: x * 0 + value, lambda: None)
    with pytest.raises(UsageError, match=r"matched to 'odd': its second moment E f\(z\)² is (0\.0|inf|nan); expected"):
        matched_initializer(entry)


def test_unknown_parameter():
    with pytest.raises(UnknownNameError, match="parameter of leaky_relu 'alpha'"):
        matched_initializer(get("leaky_relu"), {"alpha": 0.3})


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_dropout_of_the_right_kind(entry):
    expected = keras.layers.AlphaDropout if entry.alpha_dropout else keras.layers.Dropout
    dropout = matched_dropout(entry, 0.1)
    assert type(dropout) is expected
    assert dropout.rate == 0.1
    assert matched_dropout(entry, 0.1) is not dropout


@pytest.mark.parametrize("entry", [e for e in ENTRIES if e.alpha_dropout], ids=lambda entry: entry.name)
def test_alpha_dropout_keeps_mean_and_variance(entry):
    keras.utils.set_random_seed(0)
    y = entry(np.random.default_rng(0).standard_normal((100_000, 1))).astype("float32")
    dropped = keras.ops.convert_to_numpy(matched_dropout(entry, 0.1)(y, training=True))
    assert np.mean(dropped) == pytest.approx(0, abs=0.02)
    assert np.var(dropped) == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize("rate", [-0.1, 1.0, float("nan")])
def test_rate_out_of_range(rate):
    with pytest.raises(UsageError, match=r"rate is .*; expected a number of at least 0 and below 1"):
        matched_dropout(get("relu"), rate)
