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
    )
}


class Data:
    """Training and validation data of a work."""

    def __init__(self, work: Work) -> None:
        if work.network == "wide":
            draw = np.random.default_rng(0)
            x = draw.normal(size=(22_000, 256)).astype("float32")
            y = (x @ draw.normal(size=(256, 10))).argmax(1)
            cut = 20_000
        else:
            x, y = load_digits(return_X_y=True)
            x, cut = (x / 16).astype("float32"), 1397
            x = x.reshape(-1, 8, 8, 1) if work.network == "cnn" else x
        y = y.astype("int32")
        self.train: Any = (x[:cut], y[:cut])
        self.validation: Any = (x[cut:], y[cut:])
        self.fit: dict[str, Any] = {"batch_size": work.batch_size}
        if work.as_dataset:
            both = [tf.data.Dataset.from_tensor_slices(part) for part in (self.train, self.validation)]
            self.train = (both[0].shuffle(cut).batch(work.batch_size).prefetch(1),)
            self.validation, self.fit = both[1].batch(work.batch_size), {}


def network(kind: str, activation: Callable[[], Any]) -> keras.Model:
    """A compiled classifier with this activation at each site."""
    layers = keras.layers
    if kind == "cnn":
        parts: list[Any] = [keras.Input((8, 8, 1))]
        for _ in range(3):
            parts += [layers.Conv2D(32, 3, padding="same"), activation()]
        parts += [layers.Flatten()]
    else:
        width = 1024 if kind == "wide" else 64
        parts = [keras.Input((256 if kind == "wide" else 64,))]
        for _ in range(3):
            parts += [layers.Dense(width), activation()]
    model = keras.Sequential([*parts, layers.Dense(10, activation="softmax")])
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def plain(work: Work, name: str) -> keras.Model:
    """The model with one of Keras's own activations."""
    return network(work.network, lambda: keras.layers.Activation(name))
