"""The contract that every activation of the catalogue meets, as one check for authors of activations.

It needs no test framework: call `check_activation` in your own test.
"""

import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from actsearch.activations.activation import Activation
from actsearch.activations.bound import BoundActivation, bind

__all__ = ["check_activation"]

_GRID = np.concatenate([np.linspace(-8, 8, 161), [-30.0, -6.0, 6.0, 6.5, 30.0]])
_EXACT = np.linspace(-8, 8, 65)  # numbers that half precision holds exactly
_SHAPES = ((5, 3), (2, 4, 3), (2, 3, 4, 3))
_POLICIES = ("float16", "bfloat16", "mixed_float16", "mixed_bfloat16")
_EPSILON = {"float16": 2.0**-10, "bfloat16": 2.0**-7}
_REACH, _STEP = 4.0, 0.01


def check_activation(activation: str | Activation | BoundActivation) -> None:
    """Checks that an activation can be searched: that its function, layer and description agree.

    The layer must keep shape and precision, also under mixed precision policies; compute the same values as the NumPy
    function; have finite gradients that equal the function's slopes except at kinks; survive a round trip through its
    config and a saved model; train; and learn exactly the parameters that the activation declares. A matched
    initializer must exist.

    Args:
        activation: Name of an activation, an entry of the catalogue, or an activation with values for its parameters;
            without values the defaults are checked.

    Raises:
        AssertionError: The activation breaks the contract; the message says where, what was expected and what to do.
        UnknownNameError: No activation has that name.

    Example:

    >>> check_activation("gelu")
    """
    bound = bind(activation)
    for what, check in _CONTRACT.items():
        try:
            check(bound)
        except AssertionError as error:
            raise AssertionError(f"{bound.label}: {error}") from None
        except Exception as error:  # whatever the author's code raises, it breaks the contract
            raise AssertionError(f"{bound.label}: {what} failed with {type(error).__name__}: {error}") from error


def _check_description(bound: BoundActivation) -> None:
    assert bound.activation.formula, "it has no formula; give formula= to register."
    for name, parameter in bound.activation.parameters.items():
        assert parameter.low <= parameter.default <= parameter.high, (
            f"the default of {name} is {parameter.default}, outside its range, {parameter.low} to {parameter.high}. "
            "Correct one of them."
        )
        assert parameter.meaning, f"the parameter {name} has no meaning in words."


def _check_function(bound: BoundActivation) -> None:
    """Checks shapes and finite values of the NumPy function."""
    for x in (_GRID, _GRID[:160].reshape(4, 40), _GRID[0]):
        y = bound(x)
        assert y.shape == np.shape(x), f"the function turned shape {np.shape(x)} into {y.shape}, expected no change."
        assert np.isfinite(y).all(), f"the function is not finite at x = {np.ravel(x)[~np.isfinite(np.ravel(y))][0]}."


def _check_values(bound: BoundActivation) -> None:
    computed, expected = _computed(bound.layer(), _GRID), bound(_GRID)
    wrong = ~np.isclose(computed, expected, rtol=2e-6, atol=2e-6)
    assert not wrong.any(), (
        f"at x = {_GRID[wrong][0]:g} the layer computes {computed[wrong][0]:.7g} in inference, and the NumPy function "
        f"{expected[wrong][0]:.7g}. Both must be the same function before training."
    )


def _check_shapes(bound: BoundActivation) -> None:
    for shape in _SHAPES:
        inputs = keras.Input((*(None for _ in shape[1:-1]), shape[-1]))
        assert (symbolic := bound.layer()(inputs).shape) == inputs.shape, (
            f"the layer turned shape {inputs.shape} into {symbolic}, expected no change. Let compute_output_shape "
            "return its input_shape."
        )
        output_shape = bound.layer()(np.ones(shape, "float32")).shape
        assert output_shape == shape, f"the layer turned shape {shape} into {output_shape}, expected no change."


def _check_precision(bound: BoundActivation) -> None:
    for policy in _POLICIES:
        with _policy(policy):
            layer = bound.layer()
            y = layer(tf.constant(_EXACT[:, None]), training=False)
        expected = policy.removeprefix("mixed_")
        assert y.dtype == expected, (
            f"with the dtype policy {policy} the layer returns {y.dtype.name}, expected {expected}. Convert constants "
            "to the dtype of the input."
        )
        error = np.abs(np.asarray(tf.cast(y, "float64"))[:, 0] - bound(_EXACT))
        largest = 4 * _EPSILON[expected] * (1 + np.maximum(np.abs(_EXACT), np.abs(bound(_EXACT))))
        wrong = ~(error <= largest)
        assert not wrong.any(), (
            f"with the dtype policy {policy} the layer is off by {error[wrong][0]:.2g} at x = {_EXACT[wrong][0]:g}, "
            f"expected at most {largest[wrong][0]:.2g}. Write the formula so that no intermediate value overflows or "
            "cancels."
        )


def _check_gradient(bound: BoundActivation) -> None:
    far = _gradient(bound.layer(), _GRID)
    assert np.isfinite(far).all(), f"the gradient is not finite at x = {_GRID[~np.isfinite(far)][0]:g}."
    x = np.linspace(-_REACH, _REACH, round(_REACH / _STEP) + 1)  # the neighbourhoods of two points touch
    kinks = (*bound.activation.kinks_at(bound.parameters), np.inf)
    x = x[np.all([np.abs(x - kink) > _STEP for kink in kinks], axis=0)]
    gradient, expected = _gradient(bound.layer(), x), _slope(bound, x)
    wrong = ~np.isclose(gradient, expected, rtol=1e-3, atol=1e-3)
    assert not wrong.any(), (
        f"at x = {x[wrong][0]:g} the layer's gradient is {gradient[wrong][0]:.4g}, and the function's slope "
        f"{expected[wrong][0]:.4g}. Correct the gradient; or, if the function or its derivative jumps there, list the "
        "point in kinks."
    )


def _check_config(bound: BoundActivation) -> None:
    layer = bound.layer()
    config = json.loads(json.dumps(layer.get_config()))
    again = type(layer).from_config(config)
    assert again.get_config() == layer.get_config(), (
        "the layer that from_config makes has a different config. Return every argument of the constructor from "
        "get_config."
    )
    assert np.array_equal(_computed(again, _GRID), _computed(layer, _GRID)), (
        "the layer that from_config makes computes different values. Return every argument of the constructor from "
        "get_config."
    )


def _check_saving(bound: BoundActivation) -> None:
    model = keras.Sequential([keras.Input((3,)), bound.layer()])
    for weight in model.trainable_variables:
        weight.assign(weight * 1.25)
    x = np.random.default_rng(0).standard_normal((7, 3)).astype("float32")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        model.save(path)
        loaded = keras.saving.load_model(path, safe_mode=True)
    assert np.allclose(loaded(x, training=False), model(x, training=False), rtol=1e-6, atol=1e-6), (
        "a saved model with it computes different values after loading. Create all weights in build, and return every "
        "argument of the constructor from get_config."
    )


def _check_training(bound: BoundActivation) -> None:
    layer, initializer = bound.layer(), bound.initializer(seed=0)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4, kernel_initializer=initializer), layer])
    learned = list(layer.trainable_weights)
    assert bool(learned) == bound.activation.learns, (
        f"the layer has {len(learned)} trainable weights, but the activation declares "
        f"learns={bound.activation.learns}. Correct learns, or make the weights (not) trainable."
    )
    before = [weight.numpy() for weight in model.trainable_variables]
    x, y = np.random.default_rng(0).standard_normal((2, 32, 3)).astype("float32")
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean((model(x, training=True) - y[:, :1]) ** 2)
    gradients = tape.gradient(loss, model.trainable_variables)
    for weight, gradient in zip(model.trainable_variables, gradients, strict=True):
        assert gradient is not None, f"no gradient reaches {weight.path}. Write the function with keras.ops alone."
    keras.optimizers.SGD(0.1).apply(gradients, model.trainable_variables)
    for weight, old in zip(model.trainable_variables, before, strict=True):
        assert np.isfinite(weight.numpy()).all(), f"{weight.path} is not finite after a training step."
        moved = not np.array_equal(weight.numpy(), old)
        assert moved or "bias" in weight.path, f"{weight.path} does not change in a training step."


_CONTRACT: dict[str, Callable[[BoundActivation], None]] = {
    "its description": _check_description,
    "the NumPy function": _check_function,
    "the layer in inference": _check_values,
    "the layer on several shapes": _check_shapes,
    "the layer in half precision": _check_precision,
    "its gradient": _check_gradient,
    "its config": _check_config,
    "saving and loading a model with it": _check_saving,
    "a training step": _check_training,
}


def _computed(layer: Any, x: NDArray[Any]) -> NDArray[Any]:
    """Computes a layer's output in inference; all numbers pass through the same unit."""
    return np.asarray(keras.ops.convert_to_numpy(layer(tf.constant(x[:, None], "float32"), training=False)))[:, 0]


def _gradient(layer: Any, x: NDArray[Any]) -> NDArray[Any]:
    """Computes the derivative in inference with a gradient tape."""
    inputs = tf.constant(x[:, None], "float32")
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        y = layer(inputs, training=False)
    return np.asarray(tape.gradient(y, inputs, unconnected_gradients="zero"))[:, 0]


def _slope(function: Callable[[Any], Any], x: NDArray[Any]) -> NDArray[Any]:
    """Computes the derivative by central differences of order 4, precise enough for single-precision functions."""
    wide, narrow = ((function(x + step) - function(x - step)) / (2 * step) for step in (_STEP, _STEP / 2))
    return np.asarray((4 * narrow - wide) / 3)


@contextmanager
def _policy(name: str) -> Iterator[None]:
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
