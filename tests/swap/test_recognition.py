"""Recognising activations in layers, functions and operations."""

import keras
import pytest
import tensorflow as tf

from actsearch.activations import get, names, register
from actsearch.activations.bound import bind
from actsearch.swap.recognition import Recognised, is_activation, recognise, recognise_call

FIXED = [name for name in names() if name != "linear"]


@pytest.mark.parametrize("name", FIXED)
def test_the_layer_of_each_entry_is_recognised_as_it(name: str) -> None:
    entry = get(name)
    layer = entry.layer()
    assert is_activation(layer)
    assert recognise(layer) == Recognised(name, bind(name), entry.learns)


@pytest.mark.parametrize("name", [name for name in FIXED if get(name).parameters])
def test_parameters_are_recognised(name: str) -> None:
    given = {key: p.default + 0.01 for key, p in get(name).parameters.items()}
    assert dict(recognise(get(name).layer(**given)).parameters) == pytest.approx(given)


@pytest.mark.parametrize("name", [name for name in FIXED if hasattr(keras.activations, name)])
def test_the_functions_of_keras_are_recognised(name: str) -> None:
    assert recognise(getattr(keras.activations, name)).name == name


@pytest.mark.parametrize(
    ("held", "found"),
    [
        (keras.activations.leaky_relu, Recognised("leaky_relu", bind("leaky_relu", slope=0.2))),
        (
            keras.layers.LeakyReLU(),
            Recognised("leaky_relu", bind("leaky_relu", slope=keras.layers.LeakyReLU().negative_slope)),
        ),
        (keras.layers.ELU(0.5), Recognised("elu", bind("elu", alpha=0.5))),
        (keras.layers.PReLU(), Recognised("prelu", bind("prelu", slope=0.0), True)),
        (keras.layers.PReLU(keras.initializers.Constant(0.1)), Recognised("prelu", bind("prelu", slope=0.1), True)),
        (keras.layers.Softmax(axis=1), Recognised("softmax")),
        (keras.activations.log_softmax, Recognised("log_softmax")),
        (keras.activations.softmax, Recognised("softmax")),
        (keras.activations.relu6, Recognised("relu6", bind("relu6"))),
    ],
)
def test_what_keras_has(held: object, found: Recognised) -> None:
    assert recognise(held) == found


def test_operations_of_keras() -> None:
    inputs = keras.Input((4,))
    x = keras.ops.gelu(keras.ops.gelu(inputs, approximate=False))
    x = keras.ops.celu(keras.activations.relu(keras.ops.hard_silu(x), max_value=6), alpha=0.5)
    x = keras.ops.softmax(keras.ops.tanh(keras.ops.exp(x) + 1.0))
    found = [recognise(op).name for op in keras.Model(inputs, x).operations if is_activation(op)]
    assert found == ["gelu", "gelu(approximate)", "hard_silu", "relu6", "celu", "tanh", "softmax"]


def test_what_a_user_registered() -> None:
    @register("recognised_bend")
    def bend(x, by=2.0):
        return keras.ops.maximum(x, by * x)

    class Kept(keras.layers.Layer):
        def __init__(self, share: float = 0.5, **kwargs: object) -> None:
            super().__init__(**kwargs)
            self.share = share

        def call(self, x):
            return self.share * x

    assert not is_activation(Kept())
    register("recognised_kept")(Kept)
    assert is_activation(Kept())
    assert recognise(Kept(0.25)) == Recognised("recognised_kept", bind("recognised_kept", share=0.25))
    assert recognise(keras.layers.Activation(bend)) == Recognised("recognised_bend", bind("recognised_bend", by=2.0))
    assert recognise(get("recognised_bend").layer(by=3.0)).parameters == {"by": 3.0}


def test_a_function_of_the_users_own() -> None:
    def mine(x):
        return x

    assert recognise(mine) == Recognised("mine")


@pytest.mark.parametrize(
    ("function", "name", "parameters"),
    [
        (tf.nn.relu, "relu", {}),
        (tf.nn.leaky_relu, "leaky_relu", {"slope": 0.2}),
        (tf.nn.gelu, "gelu", {}),
        (tf.nn.swish, "silu", {}),
        (tf.tanh, "tanh", {}),
        (tf.nn.softmax, "softmax", {}),
    ],
)
def test_functions_of_tensorflow(function: object, name: str, parameters: dict[str, float]) -> None:
    found = recognise(function)
    assert (found.name, dict(found.parameters)) == (name, parameters)
    assert recognise(keras.layers.Lambda(function)).name == name
    assert is_activation(keras.layers.Lambda(function))


def test_a_call_is_recognised_with_its_arguments() -> None:
    assert recognise_call(keras.ops.leaky_relu, [1.0], {"negative_slope": 0.3}).parameters == {"slope": 0.3}
    assert recognise_call(tf.nn.leaky_relu, [], {"features": 1.0, "alpha": 0.1}).parameters == {"slope": 0.1}
    assert recognise_call(keras.ops.gelu, [1.0], {"approximate": False}).name == "gelu"
