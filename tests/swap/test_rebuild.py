"""Rebuilding models of every kind: shared, nested and wrapped layers, and user layers."""

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers as kl

from actsearch.activations.bound import BoundActivation, bind
from actsearch.errors import ModelError
from actsearch.swap.sites import SiteKind, find_sites
from actsearch.swap.swap import swap_activations
from tests.helpers.networks import assert_same_outputs, uniform
from tests.helpers.versions import since_keras


def identity(model: keras.Model) -> dict[str, BoundActivation]:
    """Each hidden site gets what it has."""
    return {s.name: bind(s.activation, **s.parameters) for s in find_sites(model) if s.kind is SiteKind.HIDDEN}


def test_branches_nested_and_shared_layers_with_several_inputs_and_outputs() -> None:
    image, left, right = keras.Input((8, 8, 3)), keras.Input((4,)), keras.Input((4,))
    tower = keras.Sequential([keras.Input((4,)), kl.Dense(6, "tanh", name="fc"), kl.Dense(5)], name="tower")
    shared = kl.Dense(5, activation="elu", name="shared")
    y = kl.SeparableConv2D(4, 3, activation="relu")(image)
    y = keras.ops.relu(kl.BatchNormalization()(kl.Conv2D(4, 3)(y)))
    y = kl.Flatten()(kl.Concatenate()([y, kl.Conv2D(2, 1, activation="gelu")(y)]))
    sides = [shared(tower(side)) for side in (left, right)]
    z = kl.Concatenate()([*sides, kl.Dense(5, activation="leaky_relu")(y)])
    outputs = [kl.Dense(2, activation="softmax", name="o")(z), z[:, :3] * 2.0, sides[0]]
    model = keras.Model([image, left, right], outputs)
    same = swap_activations(model, identity(model), keep_weights=True)
    assert_same_outputs(model, same, uniform(3, 8, 8, 3), uniform(3, 4), uniform(3, 4))
    new = swap_activations(model, "prelu")
    uses = {site.name: site.num_uses for site in find_sites(new)}
    assert uses["tower/fc_activation"] == 2
    assert sum(v.path.endswith("slope") for v in new.trainable_variables) == 4


def test_recurrent_layers_and_wrappers() -> None:
    each = keras.Sequential([keras.Input((4,)), kl.Dense(4, activation="relu", name="fc")], name="each")
    model = keras.Sequential(
        [
            keras.Input((6, 4)),
            kl.TimeDistributed(each),
            kl.TimeDistributed(kl.Dense(3, activation="elu", name="small")),
            kl.TimeDistributed(kl.ReLU(name="relu")),
            kl.SpectralNormalization(kl.Conv1D(3, 2, activation="relu", name="conv")),
            kl.Bidirectional(kl.LSTM(3, return_sequences=True), name="both"),
            kl.SimpleRNN(3, name="simple"),
            kl.Dense(1),
        ]
    )
    x = uniform(2, 6, 4)
    assert_same_outputs(model, swap_activations(model, identity(model), keep_weights=True), x)
    new = swap_activations(model, {name: "prelu" for name in identity(model) if name != "simple"})
    assert sum(v.path.endswith("slope") for v in new.trainable_variables) == 4
    assert new(x).shape == (2, 1)
    everything = swap_activations(model, "elu", include_gates=True, include_recurrent=True)
    assert {site.activation for site in find_sites(everything)} == {"elu"}
    directions = everything.get_layer("both")
    assert [type(d.activation).__name__ for d in (directions.forward_layer, directions.backward_layer)] == ["ELU"] * 2
    assert everything(x).shape == (2, 1)


def test_masks_and_call_arguments_pass_through() -> None:
    inputs = keras.Input((5,))
    x = kl.Dense(4, activation="relu")(kl.Embedding(9, 4, mask_zero=True)(inputs))
    x = kl.MultiHeadAttention(2, 2)(x, x, use_causal_mask=True)
    sequence, state, _ = kl.LSTM(3, return_sequences=True, return_state=True)(keras.ops.relu(x))
    model = keras.Model(inputs, kl.Dense(2)(kl.Concatenate()([kl.GlobalAveragePooling1D()(sequence), state])))
    tokens = np.array([[1, 2, 0, 0, 0], [3, 4, 5, 6, 7]])
    assert_same_outputs(model, swap_activations(model, "relu", keep_weights=True), tokens)


def test_a_sequential_that_is_not_built_is_swapped() -> None:
    new = swap_activations(keras.Sequential([kl.Dense(4, activation="relu", name="a"), kl.Dense(1)]), "prelu")
    assert new(uniform(2, 3)).shape == (2, 1)
    assert len(new.trainable_variables) == 5


def test_what_an_adaptation_learned_is_kept() -> None:
    normalise, look_up = kl.Normalization(name="n"), kl.StringLookup(name="s")
    normalise.adapt(uniform(50, 4) * 9)
    look_up.adapt(["red", "green", "green"])
    numbers, words = keras.Input((4,)), keras.Input((1,), dtype="string")
    x = kl.Concatenate()([normalise(numbers), kl.Flatten()(kl.Embedding(3, 2)(look_up(words)))])
    model = keras.Model([numbers, words], kl.Dense(1)(kl.Dense(4, activation="relu")(x)))
    new = swap_activations(model, "elu")
    assert np.array_equal(new.get_layer("n").mean, normalise.mean)
    assert new.get_layer("s").get_vocabulary() == ["[UNK]", "green", "red"]


def test_functions_and_layers_that_keras_does_not_know_are_kept() -> None:
    def double(x):
        return x * 2

    class Shift(kl.Layer):
        def __init__(self, by: float = 1.0, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.by = by

        def call(self, x):
            return x + self.by

    offset = 3.0
    model = keras.Sequential(
        [
            keras.Input((4,)),
            kl.Dense(4, activation="relu"),
            Shift(2.0),
            kl.Lambda(lambda x: x + offset),
            kl.Dense(2, activation=double),
        ]
    )
    assert_same_outputs(model, swap_activations(model, "relu", keep_weights=True), uniform(3, 4))


@since_keras("3.15", "finds classes by module and name")
def test_a_models_own_train_step_is_kept() -> None:
    class Net(keras.Model):
        def train_step(self, _):
            return {"mine": 1.0}

    inputs = keras.Input((4,))
    model = Net(inputs, kl.Dense(1)(kl.Dense(4, activation="relu")(inputs)))
    model.compile("sgd", "mse")
    new = swap_activations(model, "elu")
    assert type(new) is Net
    assert new.fit(uniform(4, 4), uniform(4, 1), verbose=0).history == {"mine": [1.0]}


def test_a_layer_without_a_config_is_refused_by_name() -> None:
    class Odd(kl.Layer):
        def __init__(self, table: np.ndarray, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.total = table.sum()

        def call(self, x):
            return x

    odd = Odd(np.ones(3), name="odd")
    model = keras.Sequential([keras.Input((4,)), kl.Dense(4, activation="relu"), odd, kl.Dense(1)])
    with pytest.raises(ModelError, match=r"The layer 'odd' \(Odd\) cannot be copied.*get_config"):
        swap_activations(model, "elu")


def test_a_layer_that_is_shared_inside_and_outside_of_a_wrapper_stays_shared() -> None:
    inputs, series = keras.Input((4,)), keras.Input((3, 4))
    shared = kl.Dense(2, activation="relu", name="shared")
    both = kl.Concatenate()([shared(inputs), kl.Flatten()(kl.TimeDistributed(shared)(series))])
    model = keras.Model([inputs, series], kl.Dense(1)(both))
    same = swap_activations(model, "relu", keep_weights=True)
    assert_same_outputs(model, same, uniform(2, 4), uniform(2, 3, 4))
    new = swap_activations(model, "prelu")
    assert len(new.trainable_variables) == len(model.trainable_variables) + 1


def test_a_users_own_layer_takes_a_function_as_its_argument() -> None:
    class Twice(kl.Layer):
        def __init__(self, activation: Any = "relu", **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.activation = keras.activations.get(activation)

        def call(self, x):
            return self.activation(x) + self.activation(-x)

        def get_config(self) -> dict[str, Any]:
            return {**super().get_config(), "activation": keras.activations.serialize(self.activation)}

    x = uniform(3, 4)
    model = keras.Sequential([keras.Input((4,)), Twice(name="twice"), kl.Dense(2)])
    new = swap_activations(model, {"twice": bind("elu", alpha=0.5)}, keep_weights=True)
    elu = np.where(x > 0, x, 0.5 * np.expm1(x)) + np.where(x < 0, -x, 0.5 * np.expm1(-x))
    np.testing.assert_allclose(new.layers[0](x), elu, rtol=1e-5)
    assert_same_outputs(model, swap_activations(model, "relu", keep_weights=True), x)


def test_mixed_precision_and_its_scaled_loss() -> None:
    keras.config.set_dtype_policy("mixed_float16")
    try:
        inputs = keras.Input((4,))
        x = keras.ops.relu(kl.Dense(4, activation="tanh")(inputs))
        model = keras.Model(inputs, kl.Dense(2, activation="softmax", dtype="float32")(x))
        model.compile("adam", "sparse_categorical_crossentropy")
    finally:
        keras.config.set_dtype_policy("float32")
    new = swap_activations(model, "prelu")
    assert [layer.dtype_policy.name for layer in new.layers if "slope" in str(layer.trainable_variables)] == [
        "mixed_float16",
        "mixed_float16",
    ]
    assert type(new.optimizer) is type(model.optimizer)
    new.fit(uniform(8, 4), np.zeros(8, "int32"), verbose=0)


def test_named_and_optional_inputs_and_outputs() -> None:
    inputs = {"b": keras.Input((4,), name="b"), "a": keras.Input((4,), name="a", optional=True)}
    outputs = {"y": kl.Dense(1, name="y")(kl.Dense(3, activation="relu")(inputs["b"])), "x": kl.ReLU()(inputs["a"])}
    model = keras.Model(inputs, outputs)
    new = swap_activations(model, "relu", keep_weights=True)
    given = {"a": uniform(2, 4), "b": uniform(2, 4) + 1}
    before, after = model(given), new(given)
    assert sorted(after) == ["x", "y"]
    for name in before:
        np.testing.assert_allclose(before[name], after[name], atol=1e-6)
    assert new.get_layer("a").optional


def test_a_lambda_of_an_activation_function_is_replaced() -> None:
    inputs = keras.Input((4,))
    model = keras.Model(inputs, kl.Dense(2)(kl.Lambda(tf.nn.relu, name="bend")(kl.Dense(4)(inputs))))
    assert_same_outputs(model, swap_activations(model, {"bend": "relu"}, keep_weights=True), uniform(3, 4))
    assert [site.activation for site in find_sites(swap_activations(model, "elu"))] == ["elu"]


def of_sequential(kind: type) -> keras.Model:
    return kind(layers=[keras.Input((4,)), kl.Dense(4, "relu"), kl.Dense(1)])


def of_graph(kind: type) -> keras.Model:
    inputs = keras.Input((4,))
    return kind(inputs=inputs, outputs=kl.Dense(1)(kl.Dense(4, "relu")(inputs)))


class NameFirst(keras.Sequential):
    def __init__(self, name="first", layers=None):
        super().__init__(layers, name=name)


class NoName(keras.Sequential):
    def __init__(self, layers):
        super().__init__(layers)


class Turned(keras.Model):
    def __init__(self, outputs, inputs, **kwargs):
        super().__init__(inputs, outputs, **kwargs)


class Positional(keras.Model):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)


class OneMoreBefore(keras.Model):
    def __init__(self, temperature=1.0, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.temperature = temperature


@pytest.mark.parametrize(
    ("make", "kind", "is_kept"),
    [
        (of_sequential, NameFirst, True),
        (of_sequential, NoName, True),
        (of_graph, Turned, True),
        (of_graph, Positional, True),
        (of_graph, OneMoreBefore, False),
    ],
)
def test_classes_whose_arguments_are_in_another_order(make: Any, kind: type, is_kept: bool) -> None:
    model = make(kind)
    new = swap_activations(model, "relu", keep_weights=True)
    assert isinstance(new, kind) is is_kept
    assert new.name == model.name
    assert_same_outputs(model, new, uniform(3, 4))
