"""Copies of single layers, whatever their class does with its arguments."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers as kl

from actsearch.errors import ModelError
from actsearch.swap.swap import swap_activations
from tests.helpers.networks import Project, around, assert_same_outputs, uniform
from tests.helpers.versions import since_keras

X, SERIES = uniform(3, 4), uniform(2, 5, 4)


class Scale(kl.Layer):
    def __init__(self, factor):
        super().__init__()
        self.factor = factor

    def call(self, x):
        return x * self.factor


class ScaleWithConfig(Scale):
    def get_config(self):
        return {**super().get_config(), "factor": self.factor}


class ScaleThatOmitsIt(kl.Layer):
    def __init__(self, factor=1.0, **kwargs):
        super().__init__(**kwargs)
        self.factor = factor

    def get_config(self):
        return super().get_config()

    def call(self, x):
        return x * self.factor


class PatchEncoder(kl.Layer):
    """As in a well-known example, whose config omits an argument that is no attribute either."""

    def __init__(self, num_patches, projection_dim):
        super().__init__()
        self.num_patches = num_patches
        self.projection = kl.Dense(projection_dim)

    def call(self, x):
        return self.projection(x)

    def get_config(self):
        return {**super().get_config(), "num_patches": self.num_patches}


class Table(kl.Layer):
    def __init__(self, table, **kwargs):
        super().__init__(**kwargs)
        self.table = table

    def call(self, x):
        return x * self.table


class Block(kl.Layer):
    """As examples write it: sublayers, a default, neither `**kwargs` nor `get_config`."""

    def __init__(self, dim, heads, rate=0.1):
        super().__init__()
        self.attention = kl.MultiHeadAttention(heads, dim)
        self.ffn = keras.Sequential([kl.Dense(dim, "relu"), kl.Dense(dim)])
        self.norm = kl.LayerNormalization()
        self.dropout = kl.Dropout(rate)

    def call(self, x):
        return self.norm(x + self.ffn(self.dropout(self.attention(x, x))))


class Residual(kl.Layer):
    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def call(self, x):
        return x + self.inner(x)


class ResidualWithLoader(Residual):
    def get_config(self):
        return {**super().get_config(), "saved": keras.saving.serialize_keras_object(self.inner)}

    @classmethod
    def from_config(cls, config):
        return cls(keras.saving.deserialize_keras_object(config["saved"]))


class Cell(kl.Layer):
    def __init__(self, units):
        super().__init__()
        self.units = self.state_size = units

    def build(self, shape):
        self.w = self.add_weight(shape=(shape[-1] + self.units, self.units), name="w")

    def call(self, x, states):
        h = keras.ops.tanh(keras.ops.concatenate([x, states[0]], -1) @ self.w)
        return h, [h]


class Hidden(kl.Dense):
    def __init__(self, units):
        super().__init__(units, activation="relu", kernel_initializer="he_normal")


class HiddenThatIgnores(kl.Dense):
    def __init__(self, units, **kwargs):
        super().__init__(units, activation="relu")


@pytest.mark.parametrize(
    ("make", "x"),
    [
        (lambda: Scale(3.0), X),
        (lambda: Scale(factor=3.0), X),
        (lambda: ScaleWithConfig(3.0), X),
        (lambda: ScaleThatOmitsIt(3.0), X),
        (lambda: PatchEncoder(16, 5), X),
        (lambda: Table(np.arange(4, dtype="float32")), X),
        (lambda: Project(3), X),
        (lambda: Project(3, name="project", dtype="float32"), X),
        (lambda: Residual(kl.Dense(4)), X),
        (lambda: ResidualWithLoader(Project(4)), X),
        (lambda: Hidden(6), X),
        (lambda: HiddenThatIgnores(6), X),
        (lambda: Block(4, 2, rate=0.5), SERIES),
        (lambda: kl.RNN(Cell(3)), SERIES),
        (lambda: kl.TimeDistributed(Project(3)), SERIES),
        (lambda: kl.Lambda(tf.nn.relu), X),
        (lambda: kl.Dense(3, functools.partial(keras.activations.leaky_relu, negative_slope=0.3)), X),
    ],
    ids=lambda value: "" if callable(value) else str(value.ndim),
)
def test_a_copy_computes_the_same(make: Callable[[], kl.Layer], x: np.ndarray) -> None:
    model = around(make(), x.shape[1:])
    model(x)  # some of these classes give no shape without data
    if model.layers[1].name.startswith("dense"):  # the partial function is not an activation that can be replaced
        new = swap_activations(model, {model.layers[0].name: "relu"}, keep_weights=True)
    else:
        new = swap_activations(model, "relu", keep_weights=True)
    assert_same_outputs(model, new, x)
    assert {layer.name for layer in model.layers} <= {layer.name for layer in new.layers}


@pytest.mark.parametrize("kind", [Hidden, HiddenThatIgnores])
def test_a_dense_of_ones_own_applies_the_new_activation_and_no_other(kind: type) -> None:
    model = keras.Sequential([keras.Input((4,)), kind(6), kl.Dense(1)])
    new = swap_activations(model, "tanh", keep_weights=True)
    hidden, last = model.layers
    np.testing.assert_allclose(new(X), last(np.tanh(X @ hidden.kernel.numpy())), rtol=1e-5)
    assert isinstance(new.layers[0], kind)


def test_arguments_and_policies_survive_without_kwargs() -> None:
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = around(Block(4, 2, rate=0.5), (5, 4))
    finally:
        keras.config.set_dtype_policy("float32")
    model.layers[1].trainable = False
    block = swap_activations(model, "elu").layers[2]
    assert (type(block), block.name, block.dropout.rate) == (Block, model.layers[1].name, 0.5)
    assert {part.dtype_policy.name for part in (block, block.dropout, block.ffn.layers[0])} == {"mixed_float16"}
    assert not block.trainable


class PatchGrid(kl.Layer):
    """As in keras-hub: its config has what `__init__` computes, and omits an argument."""

    def __init__(self, size, stride=1, **kwargs):
        super().__init__(**kwargs)
        self.size, self.stride, self.num_patches = size, stride, size**2
        self.mixer = kl.Dense(size)

        self._shape = None

    def build(self, shape):
        self._shape = shape
        self.mixer.build(shape)
        super().build(shape)

    def call(self, x):
        return self.mixer(x)[..., :: self.stride]

    def get_config(self):
        own = {"size": self.size, "num_patches": self.num_patches, "input_shape_seen": self._shape}
        return {**super().get_config(), **own, "mixer": keras.saving.serialize_keras_object(self.mixer)}


class Decoder(Scale):
    """Its config asks for an attribute that it does not have."""

    def get_config(self):
        return {**super().get_config(), "factor": self.scaling_factor}


def test_configs_with_too_much_or_too_little_or_that_fail(tmp_path: Path) -> None:
    model = around(PatchGrid(4, stride=2))
    new = swap_activations(model, "relu", keep_weights=True)
    assert_same_outputs(model, new, X)
    new.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras", custom_objects={"PatchGrid": PatchGrid})
    np.testing.assert_array_equal(loaded(X), new(X))
    assert_same_outputs(model, swap_activations(new, "relu", keep_weights=True), X)
    model = around(Decoder(3.0))
    assert_same_outputs(model, swap_activations(model, "relu", keep_weights=True), X)


def test_what_a_class_computes_from_its_arguments_is_never_guessed() -> None:
    class Doubled(kl.Layer):
        def __init__(self, table: np.ndarray) -> None:
            super().__init__()
            self.table = 2 * table

        def call(self, x):
            return x * self.table

    class Hides(kl.Layer):
        def __init__(self, table: np.ndarray) -> None:
            super().__init__()
            self.kept = table

        def call(self, x):
            return x

    for layer in (Doubled(np.ones(4, "float32")), Hides(np.ones(4))):
        with pytest.raises(ModelError, match=rf"The layer '{layer.name}' .*cannot be copied.*table.*\*\*kwargs"):
            swap_activations(around(layer), "elu")


class Square(keras.regularizers.Regularizer):
    def __init__(self, factor):
        self.factor = factor

    def __call__(self, x):
        return self.factor * keras.ops.sum(x**2)


class Spread(keras.initializers.RandomNormal):
    def __init__(self, scale=1.0):
        super().__init__(stddev=scale)


class Clip(keras.constraints.Constraint):
    def __init__(self, largest):
        self.largest = largest

    def __call__(self, w):
        return keras.ops.clip(w, -self.largest, self.largest)


@since_keras("3.15", "takes no functions as regularizers")
def test_initializers_regularizers_and_constraints_of_ones_own() -> None:
    def ones(shape: Any, dtype: Any = None) -> Any:
        return keras.ops.ones(shape, dtype)

    own = {"kernel_initializer": Spread(20.0), "bias_initializer": ones, "kernel_regularizer": Square(0.1)}
    layers = [
        kl.Dense(50, "relu", **own, activity_regularizer=Square(0.2), bias_constraint=Clip(1.0)),
        kl.Dense(2, kernel_regularizer=lambda w: keras.ops.sum(w)),
    ]
    model = keras.Sequential([keras.Input((4,)), *layers])
    model.compile("sgd", "mse")
    same = swap_activations(model, "relu", keep_weights=True)
    assert_same_outputs(model, same, X)
    assert sorted(map(float, same.losses)) == pytest.approx(sorted(map(float, model.losses)))
    first, second = (swap_activations(model, "relu").layers[0] for _ in range(2))
    assert np.std(first.kernel.numpy()) == pytest.approx(20, rel=0.3)
    assert np.all(first.bias.numpy() == 1)
    assert not np.array_equal(first.kernel, second.kernel), "each model draws its own weights"
    assert first.kernel_regularizer is own["kernel_regularizer"]
