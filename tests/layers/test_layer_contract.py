"""The contract of every activation layer."""

import json
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from actsearch import layers
from actsearch.errors import UsageError
from tests.helpers.layer_cases import CASES, LEARNED, away_from_zero

every_layer = pytest.mark.parametrize("name", CASES)
every_learned_layer = pytest.mark.parametrize("name", LEARNED)

LOAD = """
import sys
import numpy as np
import keras
import actsearch.layers
model = keras.models.load_model(sys.argv[1])
x = np.load(sys.argv[2])
np.savez(sys.argv[3], *model.predict(x, verbose=0))
"""


def gradients(layer, x, dy):
    """Gradients of the output's product with dy, with respect to the input and the layer's variables."""
    x = tf.convert_to_tensor(x)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = layer(x)
    sources = [x, *(v.value for v in layer.trainable_variables)]
    return [g.numpy() for g in tape.gradient(y, sources, output_gradients=tf.cast(dy, y.dtype))]


def slope_of(function, at, step=1e-6):
    """Central difference."""
    return (function(at + step) - function(at - step)) / (2 * step)


def in_dtype(values, dtype):
    """The values as a tensor of this dtype, and what they are after rounding to it."""
    tensor = tf.cast(tf.constant(values, "float64"), dtype)
    return tensor, tf.cast(tensor, "float64").numpy()


@every_layer
def test_values_are_those_of_the_formula(name):
    case = CASES[name]
    x = np.concatenate([np.linspace(-12, 12, 97), [-1e4, -1e-6, 1e-6, 1e4]])[:, None]
    y = case.make(dtype="float64")(x).numpy()
    np.testing.assert_allclose(y, case.function(x, **case.starts), rtol=2e-7, atol=1e-7)


@every_layer
def test_gradient_of_the_input_meets_finite_differences(name):
    case = CASES[name]
    x = away_from_zero((5, 4))
    dy = np.random.default_rng(1).normal(size=x.shape)
    expected = dy * slope_of(lambda x: case.function(x, **case.starts), x)
    np.testing.assert_allclose(gradients(case.make(dtype="float64"), x, dy)[0], expected, rtol=1e-6, atol=1e-8)


@every_layer
def test_second_derivative_meets_finite_differences(name):
    case = CASES[name]
    x = tf.constant(away_from_zero((12, 1)))
    layer = case.make(dtype="float64")

    @tf.function
    def second(x):
        with tf.GradientTape() as outer:
            outer.watch(x)
            with tf.GradientTape() as inner:
                inner.watch(x)
                y = layer(x)
            slope = inner.gradient(y, x)
        return outer.gradient(slope, x, unconnected_gradients="zero")

    step, f = 1e-4, lambda x: case.function(x, **case.starts)
    expected = (f(x.numpy() + step) - 2 * f(x.numpy()) + f(x.numpy() - step)) / step**2
    np.testing.assert_allclose(second(x).numpy(), expected, atol=1e-5)


@every_layer
def test_gradient_at_zero_lies_between_those_beside_it(name):
    x = np.array([[0.0], [-1e-3], [1e-3]])
    at, before, after = gradients(CASES[name].make(dtype="float64"), x, np.ones_like(x))[0].ravel()
    assert min(before, after) - 0.01 <= at <= max(before, after) + 0.01


@every_layer
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_far_from_zero_values_and_gradients_are_finite_and_right(name, dtype):
    case = CASES[name]
    x, rounded = in_dtype([[-1e4], [1e4]], dtype)
    layer = case.make(dtype=dtype)
    y = layer(x)
    assert y.dtype == dtype
    epsilon = {"float16": 2**-10, "bfloat16": 2**-7, "float32": 2**-23}[dtype]
    np.testing.assert_allclose(
        tf.cast(y, "float64"), case.function(rounded, **case.starts), rtol=2 * epsilon, atol=1e-9
    )
    dx = gradients(layer, x, np.ones((2, 1)))[0].astype("float64")
    expected = slope_of(lambda x: case.function(x, **case.starts), rounded, step=1.0)
    np.testing.assert_allclose(dx, expected, rtol=2 * epsilon, atol=epsilon)


@every_layer
def test_a_large_upstream_gradient_in_half_precision_makes_no_nan(name):
    x, _ = in_dtype([[-1e4], [-9.0], [3.0]], "float16")
    dx = gradients(CASES[name].make(dtype="mixed_float16"), x, np.full((3, 1), 1e4))[0]
    assert np.isfinite(dx).all()


@every_layer
def test_nan_stays_nan(name):
    y = CASES[name].make()(np.array([[np.nan, 1.0]], "float32")).numpy()
    assert np.isnan(y).tolist() == [[True, False]]


@every_layer
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "mixed_float16", "mixed_bfloat16"])
def test_half_precision(name, dtype):
    case = CASES[name]
    layer = case.make(dtype=dtype)
    compute = dtype.removeprefix("mixed_")
    x, rounded = in_dtype(np.linspace(-6, 6, 25)[:, None], compute)
    y = layer(x)
    assert y.dtype == compute
    epsilon = {"float16": 2**-10, "bfloat16": 2**-7}[compute]
    error = np.abs(tf.cast(y, "float64") - case.function(rounded, **case.starts))
    assert (error <= 4 * epsilon * (1 + np.abs(rounded))).all()
    kept = "float32" if dtype.startswith("mixed_") else compute
    assert {v.dtype for v in layer.trainable_variables} <= {kept}


@every_layer
@pytest.mark.parametrize("shape", [(3,), (5, 3), (4, 5, 3), (2, 4, 5, 3)])
def test_any_rank_and_unknown_dimensions(name, shape):
    case = CASES[name]
    inputs = keras.Input((*(None for _ in shape[:-1]), 3))
    outputs = case.make()(inputs)
    assert outputs.shape == inputs.shape
    x = away_from_zero((2, *shape)).astype("float32")
    y = keras.Model(inputs, outputs)(x).numpy()
    np.testing.assert_allclose(y, case.function(x, **case.starts), rtol=1e-5, atol=1e-6)


@every_layer
def test_config_makes_the_same_layer(name):
    layer = CASES[name].make(name="it", dtype="mixed_float16")
    config = json.loads(json.dumps(layer.get_config()))
    again = type(layer).from_config(config)
    assert again.get_config() == layer.get_config()
    assert again.dtype_policy.name == "mixed_float16"


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning:keras")
def test_a_saved_model_of_all_layers_loads_in_a_new_process(tmp_path):
    inputs = keras.Input((3,))
    model = keras.Model(inputs, [case.make()(inputs) for case in CASES.values()])
    for variable in model.trainable_variables:
        variable.assign(variable + 0.125)
    x = away_from_zero((6, 3)).astype("float32")
    np.save(tmp_path / "x.npy", x)
    model.save(tmp_path / "model.keras")
    files = [str(tmp_path / name) for name in ("model.keras", "x.npy", "y.npz")]
    subprocess.run([sys.executable, "-W", "ignore", "-c", LOAD, *files], check=True)
    with np.load(tmp_path / "y.npz") as loaded:
        for name, expected in zip(loaded.files, model.predict(x, verbose=0), strict=True):
            np.testing.assert_allclose(loaded[name], expected, rtol=1e-6)


@every_layer
def test_compiled_and_with_xla_it_computes_the_same(name):
    layer = CASES[name].make()
    x = away_from_zero((6, 3)).astype("float32")
    dy = np.random.default_rng(1).normal(size=x.shape).astype("float32")
    expected = [layer(x).numpy(), *gradients(layer, x, dy)]

    @tf.function(jit_compile=True)
    def run(x, dy):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x)
        sources = [x, *(v.value for v in layer.trainable_variables)]
        return [y, *tape.gradient(y, sources, output_gradients=dy)]

    for got, wanted in zip(run(tf.constant(x), tf.constant(dy)), expected, strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-5)


@every_layer
def test_a_mask_passes_through(name):
    model = keras.Sequential(
        [keras.Input((3, 2)), keras.layers.Masking(), CASES[name].make(), keras.layers.GlobalAveragePooling1D()]
    )
    x = away_from_zero((2, 3, 2)).astype("float32")
    x[:, 1] = 0
    expected = CASES[name].function(x[:, [0, 2]], **CASES[name].starts).mean(axis=1)
    np.testing.assert_allclose(model(x), expected, rtol=1e-5, atol=1e-6)


@every_learned_layer
@pytest.mark.parametrize(
    ("sharing", "shape", "axes"), [("channel", (4,), (0, 1)), ("layer", (), (0, 1, 2)), ("element", (3, 4), 0)]
)
def test_gradients_of_shared_parameters_meet_finite_differences(name, sharing, shape, axes):
    case = CASES[name]
    layer = case.make(sharing=sharing, dtype="float64")
    x = away_from_zero((5, 3, 4))
    dy = np.random.default_rng(1).normal(size=x.shape)
    layer.build(x.shape)
    _, *found = gradients(layer, x, dy)
    assert [tuple(v.shape) for v in layer.trainable_variables] == [shape] * len(case.starts)
    for got, (key, start) in zip(found, case.starts.items(), strict=True):
        slope = slope_of(lambda p, key=key: case.function(x, **{**case.starts, key: p}), start)
        np.testing.assert_allclose(got, (dy * slope).sum(axis=axes), rtol=1e-5, atol=1e-6)


@every_learned_layer
def test_parameters_differ_by_channel_and_are_found_by_name(name):
    case = CASES[name]
    layer = case.make(dtype="float64")
    x = away_from_zero((6, 2))
    layer.build(x.shape)
    factors = np.array([1.0, 1.2])
    for variable in layer.trainable_variables:
        variable.assign(variable * factors)
    assert [v.name for v in layer.trainable_variables] == list(case.starts)
    varied = {key: start * factors for key, start in case.starts.items()}
    np.testing.assert_allclose(layer(x), case.function(x, **varied), rtol=1e-6, atol=1e-7)


@every_learned_layer
def test_training_moves_the_parameters_and_nothing_regularises_them(name):
    layer = CASES[name].make()
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4), layer, keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(0.05), "mse")
    before = [v.numpy() for v in layer.trainable_variables]
    x = np.random.default_rng(0).normal(size=(32, 3)).astype("float32")
    model.fit(x, x.sum(axis=1) ** 2, epochs=2, verbose=0)
    assert len(before) == len(CASES[name].starts)
    assert all(any(v is w for w in model.trainable_variables) for v in layer.trainable_variables)
    assert all((v.numpy() != b).any() for v, b in zip(layer.trainable_variables, before, strict=True))
    assert model.losses == []


@every_learned_layer
def test_large_sums_in_half_precision_do_not_overflow(name):
    layer = CASES[name].make(dtype="mixed_float16")
    x = np.full((4096, 2), -4.0, "float16")
    _, *found = gradients(layer, x, np.full(x.shape, 64.0))
    assert all(g.dtype == "float32" and np.isfinite(g).all() for g in found)


@every_learned_layer
def test_an_unknown_dimension_that_sharing_needs_is_refused(name):
    with pytest.raises(UsageError, match=r"for each element.*Give the model's Input a full shape"):
        CASES[name].make(sharing="element")(keras.Input((None, 4)))


def test_an_unknown_channel_dimension_is_refused():
    with pytest.raises(UsageError, match=r'use sharing="layer"'):
        layers.PReLU().build((None, None))


def test_an_unknown_sharing_is_refused():
    with pytest.raises(UsageError, match=r"PReLU got sharing='row'; expected one of 'channel', 'layer'"):
        layers.PReLU(sharing="row")


def test_every_public_layer_is_in_the_catalogue():
    made = {type(case.make()).__name__ for case in CASES.values()}
    assert made == {n for n in layers.__all__ if n[0].isupper()} - {"LearnedActivation"}
