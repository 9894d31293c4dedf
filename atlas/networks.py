"""The networks of the atlas: ordinary Keras code, in which actsearch finds the activations and exchanges them."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import layers

from actsearch.swap import OutputSpec, output_for
from atlas.data_sets import NUM_TOKENS, DataSet, Loaded


@dataclass(frozen=True)
class Shape:
    """What the layers of a network are made with.

    Args:
        depth: Number of activations that are searched in a plain network; the others derive theirs from it.
        width: Units of a dense layer.
        normalisation: Whether a batch normalisation precedes each activation: `none` or `batch`.
        bias: Initial value of the biases before an activation.
    """

    depth: int
    width: int
    normalisation: str
    bias: float

    def dense(self, x: Any, units: int | None = None) -> Any:
        """Applies a dense layer with its activation."""
        return self._activated(layers.Dense(units or self.width, bias_initializer=self._bias())(x))

    def convolved(self, x: Any) -> Any:
        """Applies a convolution with its activation, over two dimensions for images, else over one."""
        kind = layers.Conv2D if len(x.shape) == 4 else layers.Conv1D
        return self._activated(kind(self.filters, 3, padding="same", bias_initializer=self._bias())(x))

    @property
    def filters(self) -> int:
        """Filters of a convolution: a quarter of the width."""
        return max(self.width // 4, 1)

    def _bias(self) -> Any:
        return keras.initializers.Constant(self.bias)

    def _activated(self, x: Any) -> Any:
        if self.normalisation == "batch":
            x = layers.BatchNormalization()(x)
        return layers.Activation("relu")(x)


def _mlp(x: Any, shape: Shape) -> Any:
    x = layers.Flatten()(x)
    for _ in range(shape.depth):
        x = shape.dense(x)
    return x


def _residual_mlp(x: Any, shape: Shape) -> Any:
    """A layer, then blocks `x + Dense(activation(Dense(x)))`: one activation per block."""
    x = shape.dense(layers.Flatten()(x))
    for _ in range(shape.depth - 1):
        x = layers.Add()([x, layers.Dense(shape.width)(shape.dense(x))])
    return x


def _pooled(x: Any) -> Any:
    """Halves the sides of what is at least four long."""
    if min(x.shape[1:-1]) < 4:
        return x
    return layers.MaxPooling2D()(x) if len(x.shape) == 4 else layers.MaxPooling1D()(x)


def _averaged(x: Any) -> Any:
    return layers.GlobalAveragePooling2D()(x) if len(x.shape) == 4 else layers.GlobalAveragePooling1D()(x)


def _cnn(x: Any, shape: Shape) -> Any:
    """Convolutions, and pooling after every second."""
    for number in range(shape.depth):
        x = shape.convolved(x)
        x = _pooled(x) if number % 2 else x
    return _averaged(x)


def _residual_cnn(x: Any, shape: Shape) -> Any:
    """A convolution, then blocks of one with a shortcut around it, and pooling after every second."""
    x = shape.convolved(x)
    for number in range(shape.depth - 1):
        x = layers.Add()([x, shape.convolved(x)])
        x = _pooled(x) if number % 2 else x
    return _averaged(x)


def _lstm(x: Any, shape: Shape) -> Any:
    """An LSTM with its own functions, and a head of a third of the depth; the rows of an image are its steps."""
    x = layers.Reshape((x.shape[1], math.prod(x.shape[2:])))(x) if len(x.shape) == 4 else x
    x = layers.LSTM(shape.width // 2)(x)
    for _ in range(max(shape.depth // 3, 1)):
        x = shape.dense(x)
    return x


def _transformer(x: Any, shape: Shape) -> Any:
    """Blocks of attention and a feed-forward part with one activation; a third of the depth is their number."""
    width = shape.width // 2
    x = layers.Dense(width)(x)
    x = x + _positions(x.shape[1], width)
    for _ in range(max(shape.depth // 3, 1)):
        attended = layers.MultiHeadAttention(2, width // 2)(x, x)
        x = layers.LayerNormalization()(layers.Add()([x, attended]))
        inner = layers.Dense(width)(shape.dense(x, 2 * width))
        x = layers.LayerNormalization()(layers.Add()([x, inner]))
    return _averaged(x)


def _positions(steps: int, width: int) -> Any:
    """Returns sines and cosines of each position (Vaswani et al. 2017), shape (1, steps, width)."""
    angles = np.arange(steps)[:, None] / 10_000 ** (np.arange(0, width, 2) / width)
    return np.concatenate([np.sin(angles), np.cos(angles)], axis=1)[None].astype("float32")


NETWORKS: dict[str, Callable[[Any, Shape], Any]] = {
    "mlp": _mlp,
    "residual_mlp": _residual_mlp,
    "cnn": _cnn,
    "residual_cnn": _residual_cnn,
    "lstm": _lstm,
    "transformer": _transformer,
}
FITS: dict[str, tuple[str, ...]] = {  # the kinds of data that a network can read
    "mlp": ("table", "image", "signal", "text"),
    "residual_mlp": ("table", "image", "signal", "text"),
    "cnn": ("image", "signal", "text"),
    "residual_cnn": ("image", "signal", "text"),
    "lstm": ("image", "signal", "text"),
    "transformer": ("signal", "text"),
}
OPTIMIZERS: dict[str, Callable[[float], Any]] = {
    "adam": keras.optimizers.Adam,
    "adamw": keras.optimizers.AdamW,
    "sgd": lambda rate: keras.optimizers.SGD(rate, momentum=0.9),
}


def output_of(data: DataSet, loaded: Loaded) -> OutputSpec:
    """Returns the output layer, the loss and the metric that fit a data set."""
    return output_for(data.task, int(loaded.y.max()) + 1 if data.task == "multiclass" else None)


def make_model(network: str, shape: Shape, sample: Iterable[int], *, text: bool, output: OutputSpec) -> Any:
    """Builds a network without an optimizer, with ReLU at each place of an activation.

    Args:
        network: One of `NETWORKS`.
        shape: Depth, width, normalisation and bias.
        sample: Shape of one sample.
        text: Whether samples are tokens, which are embedded in 16 dimensions.
        output: The output layer.
    """
    inputs = keras.Input(tuple(sample), dtype="int32" if text else "float32")
    x = layers.Embedding(NUM_TOKENS, 16)(inputs) if text else inputs
    return keras.Model(inputs, output.layer()(NETWORKS[network](x, shape)))
