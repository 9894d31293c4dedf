"""The works of `same_work.py`: which activations are trained, how often, in which model and on what data."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from sklearn.datasets import load_digits


@dataclass(frozen=True)
class Work:
    """What is to be trained: each activation from each seed."""

    name: str
    network: str
    activations: tuple[str, ...] = ("relu", "leaky_relu", "elu", "selu", "silu", "gelu", "tanh")
    executions: int = 3
    epochs: int = 10
    batch_size: int = 32
    as_dataset: bool = False

    @property
    def seeds(self) -> range:
        """One for each execution."""
        return range(1, self.executions + 1)


WORKS = {
    work.name: work
    for work in (
        Work("mlp", "mlp"),
        Work("mlp, 10 executions", "mlp", executions=10),
        Work("mlp, 20 executions", "mlp", executions=20),
        Work("cnn", "cnn", activations=("relu", "elu", "tanh"), epochs=5),
        Work("wide", "wide", activations=("relu", "elu"), executions=2, epochs=2, batch_size=128),
        Work("wide, 10 epochs", "wide", activations=("relu", "elu"), executions=2, epochs=10, batch_size=128),
        Work("data set", "mlp", activations=("relu", "elu", "tanh"), as_dataset=True),
        Work("data set, 10 executions", "mlp", activations=("relu", "elu", "tanh"), executions=10, as_dataset=True),
        Work("resnet", "resnet", activations=("relu", "elu", "silu"), executions=2, epochs=3),
        Work("lstm", "lstm", activations=("relu", "elu", "tanh"), epochs=8),
        Work("transformer", "transformer", activations=("relu", "gelu", "silu"), epochs=8),
        Work("resnet, 20 epochs", "resnet", activations=("relu", "elu"), executions=2, epochs=20),
        Work("lstm, 100 epochs", "lstm", activations=("relu", "elu"), executions=2, epochs=100),
        Work("transformer, 100 epochs", "transformer", activations=("relu", "elu"), executions=2, epochs=100),
    )
}


class Data:
    """Training and validation data of a work."""

    def __init__(self, work: Work) -> None:
        x, y, cut = SAMPLES.get(work.network, digits)()
        self.train: Any = (x[:cut], y[:cut])
        self.validation: Any = (x[cut:], y[cut:])
        self.fit: dict[str, Any] = {"batch_size": work.batch_size}
        self.num_batches = -(-cut // work.batch_size)
        self.batched = batched(self.train, work.batch_size, shuffled=True), batched(self.validation, work.batch_size)
        if work.as_dataset:
            (self.train, self.validation), self.fit = self.batched, {}
            self.train = (self.train,)


def batched(arrays: Any, batch_size: int, *, shuffled: bool = False) -> tf.data.Dataset:
    """Arrays as a data set that prepares the next batches while one is trained."""
    data = tf.data.Dataset.from_tensor_slices(arrays)
    data = data.shuffle(len(arrays[1])) if shuffled else data
    return data.batch(batch_size).prefetch(tf.data.AUTOTUNE)


Samples = tuple[Any, Any, int]  # x, y, and how many are trained on


def digits(*shape: int, number: int = 1797, cut: int = 1397) -> Samples:
    """Scikit-learn's digits, of 64 pixels each."""
    x, y = load_digits(return_X_y=True)
    return (x[:number] / 16).astype("float32").reshape(-1, *(shape or (64,))), y[:number].astype("int32"), cut


def pictures() -> Samples:
    """600 digits as pictures of 32 x 32 pixels and three colours."""
    x, y, cut = digits(8, 8, 1, number=600, cut=470)
    return np.asarray(tf.image.resize(np.repeat(x, 3, axis=-1), (32, 32))), y, cut


def patches() -> Samples:
    """Digits as 16 patches of 2 x 2 pixels."""
    x, y, cut = digits(4, 2, 4, 2)
    return x.transpose(0, 1, 3, 2, 4).reshape(-1, 16, 4), y, cut


def table() -> Samples:
    """Noise of which the largest of ten linear functions is to be told."""
    draw = np.random.default_rng(0)
    x = draw.normal(size=(22_000, 256)).astype("float32")
    return x, (x @ draw.normal(size=(256, 10))).argmax(1).astype("int32"), 20_000


SAMPLES: dict[str, Callable[[], Samples]] = {
    "cnn": lambda: digits(8, 8, 1),
    "wide": table,
    "resnet": pictures,
    "lstm": lambda: digits(8, 8),  # rows, one after the other
    "transformer": patches,
}
layers = keras.layers
Layer = Callable[[Any], Any]
Activation = Callable[[], Layer]


def network(kind: str, activation: Activation, steps_per_execution: int = 1) -> keras.Model:
    """A compiled classifier with this activation at each site."""
    inputs = keras.Input(SHAPES[kind])
    outputs = layers.Dense(10, activation="softmax")(HIDDEN[kind](inputs, activation))
    model = keras.Model(inputs, outputs)
    loss = "sparse_categorical_crossentropy"
    model.compile("adam", loss, metrics=["accuracy"], steps_per_execution=steps_per_execution)
    return model


def dense(x: Any, activation: Activation, width: int = 64) -> Any:
    """Three dense layers."""
    for _ in range(3):
        x = activation()(layers.Dense(width)(x))
    return x


def convolutions(x: Any, activation: Activation) -> Any:
    """Three convolutions."""
    for _ in range(3):
        x = activation()(layers.Conv2D(32, 3, padding="same")(x))
    return layers.Flatten()(x)


def residual(x: Any, activation: Activation) -> Any:
    """A ResNet of 14 layers: three stages of two blocks, with batch normalisation (arXiv 1512.03385)."""

    def convolved(x: Any, width: int, stride: int = 1, size: int = 3) -> Any:
        x = layers.Conv2D(width, size, stride, padding="same", use_bias=False)(x)
        return layers.BatchNormalization(momentum=0.9)(x)

    x = activation()(convolved(x, 16))
    for width, stride in ((16, 1), (16, 1), (32, 2), (32, 1), (64, 2), (64, 1)):
        inner = activation()(convolved(x, width, stride))
        inner = convolved(inner, width)
        shortcut = x if x.shape[-1] == width else convolved(x, width, stride, size=1)
        x = activation()(layers.add([inner, shortcut]))
    return layers.GlobalAveragePooling2D()(x)


def recurrent(x: Any, activation: Activation) -> Any:
    """Two LSTMs with a dense layer behind each."""
    x = layers.LSTM(64, return_sequences=True)(x)
    x = layers.LSTM(64)(activation()(layers.Dense(64)(x)))
    return activation()(layers.Dense(64)(x))


class Positions(layers.Layer):
    """Adds a learned vector for each position."""

    def build(self, shape: Any) -> None:
        self.vectors = self.add_weight(shape=shape[1:], initializer="random_normal", name="vectors")

    def call(self, x: Any) -> Any:
        return x + self.vectors


def transformer(x: Any, activation: Activation) -> Any:
    """A transformer block over patches (arXiv 2010.11929)."""
    x = Positions()(layers.Dense(64)(x))
    inner = layers.LayerNormalization()(x)
    x = layers.add([x, layers.MultiHeadAttention(4, 16)(inner, inner)])
    inner = activation()(layers.Dense(128)(layers.LayerNormalization()(x)))
    x = layers.add([x, layers.Dense(64)(inner)])
    return layers.GlobalAveragePooling1D()(layers.LayerNormalization()(x))


SHAPES: dict[str, tuple[int, ...]] = {
    "mlp": (64,),
    "wide": (256,),
    "cnn": (8, 8, 1),
    "resnet": (32, 32, 3),
    "lstm": (8, 8),
    "transformer": (16, 4),
}
HIDDEN: dict[str, Callable[[Any, Activation], Any]] = {
    "mlp": dense,
    "wide": lambda x, activation: dense(x, activation, 1024),
    "cnn": convolutions,
    "resnet": residual,
    "lstm": recurrent,
    "transformer": transformer,
}


def plain(work: Work, name: str, steps_per_execution: int = 1) -> keras.Model:
    """The model with one of Keras's own activations."""
    return network(work.network, lambda: layers.Activation(name), steps_per_execution)
