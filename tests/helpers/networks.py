"""Networks for tests, and whether two compute the same."""

import keras
import numpy as np

import actsearch


def small_network(hp, space="relu_variants"):
    """A build function as a user would write it."""
    activation = actsearch.choose(hp, space)
    model = keras.Sequential(
        [
            keras.Input((64,)),
            keras.layers.Dense(16, kernel_initializer=activation.initializer()),
            activation.layer(),
            activation.dropout(0.1),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def compiled(model, loss="sparse_categorical_crossentropy", optimizer="adam"):
    """A model, compiled as these tests want it."""
    model.compile(optimizer, loss, metrics=["accuracy"])
    return model


def assert_same_outputs(old: keras.Model, new: keras.Model, *inputs: np.ndarray) -> None:
    """Two models compute the same, to 1e-6."""
    given = inputs[0] if len(inputs) == 1 else list(inputs)
    before, after = (keras.tree.flatten(model(given, training=False)) for model in (old, new))
    for x, y in zip(before, after, strict=True):
        np.testing.assert_allclose(x, y, atol=1e-6)


def uniform(*shape: int) -> np.ndarray:
    """Numbers from -2 to 2, the same at each call."""
    return np.random.default_rng(0).uniform(-2, 2, shape).astype("float32")


class Project(keras.layers.Layer):
    """A layer that multiplies by weights, without a configuration of its own."""

    def __init__(self, units, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.units = units

    def build(self, shape):
        self.w = self.add_weight(shape=(shape[-1], self.units), initializer="glorot_uniform", name="w")

    def call(self, x):
        return x @ self.w


def around(layer: keras.layers.Layer, shape: tuple[int, ...] = (4,), last: int = 4) -> keras.Model:
    """A model with the layer between two dense ones, of which the first has a relu."""
    layers = [keras.layers.Dense(last, "relu"), layer]
    return keras.Sequential([keras.Input(shape), *layers, keras.layers.Dense(2)])
