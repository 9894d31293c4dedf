"""Small models for `random_models.py`, drawn by Hypothesis: layers, masks, shared parts, dtypes, optimizers, losses."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

import hypothesis.strategies as st
import keras
import numpy as np
from hypothesis import HealthCheck, Phase, given, settings
from keras import layers as L  # noqa: N812

SHAPES = {"table": (6,), "series": (5, 3), "image": (6, 6, 2), "tokens": (5,)}
ACTIVATIONS = ("relu", "elu", "gelu", "silu", "tanh")
OTHERS = ("prelu", "selu", "mish")

# Layers by their name, each made with the model's activation; those in RANDOM draw numbers while they train.
RANDOM = {"dropout", "noise", "gru", "flipped"}
TABLE = {
    "dense": lambda a: L.Dense(5, a),
    "regularized": lambda a: L.Dense(4, a, kernel_regularizer="l2", bias_constraint="non_neg"),
    "active": lambda a: L.Dense(4, a, activity_regularizer=keras.regularizers.L1(0.1)),
    "einsum": lambda a: L.EinsumDense("bi,ij->bj", 4, activation=a, bias_axes="j"),
    "layer": lambda a: L.Activation(a),
    "operation": lambda a: keras.activations.get(a),
    "nested": lambda a: keras.Sequential([L.Dense(4, a), L.Dense(3, a)]),
    "residual": lambda a: lambda x: L.Add()([x, L.Dense(x.shape[-1], a)(x)]),
    "prelu": lambda _: L.PReLU(),
    "normalised": lambda _: L.LayerNormalization(),
    "dropout": lambda _: L.Dropout(0.3),
    "noise": lambda _: L.GaussianNoise(0.1),
    "spectral": lambda a: L.SpectralNormalization(L.Dense(4, a)),
}
SERIES = {
    "lstm": lambda _: L.LSTM(4, return_sequences=True),
    "gru": lambda _: L.GRU(3, return_sequences=True, dropout=0.2, recurrent_dropout=0.2),
    "simple": lambda _: L.SimpleRNN(3, return_sequences=True),
    "both ways": lambda _: L.Bidirectional(L.LSTM(2, return_sequences=True)),
    "convolution": lambda a: L.Conv1D(4, 3, padding="causal", activation=a),
    "cells": lambda _: L.RNN([L.LSTMCell(2), L.GRUCell(3)], return_sequences=True),
    "dense": lambda a: L.Dense(3, a),
    "layer": lambda a: L.Activation(a),
    "operation": lambda a: keras.activations.get(a),
    "attention": lambda _: lambda x: L.MultiHeadAttention(2, 2)(x, x),
    "one head": lambda _: lambda x: L.Attention(use_scale=True)([x, x], use_causal_mask=True),
    "each step": lambda a: L.TimeDistributed(L.Dense(3, a)),
    "masked": lambda _: L.Masking(),
    "dropout": lambda _: L.SpatialDropout1D(0.2),
}
IMAGE = {
    "convolution": lambda a: L.Conv2D(4, 3, padding="same", activation=a),
    "depthwise": lambda _: L.DepthwiseConv2D(3, padding="same"),
    "separable": lambda a: L.SeparableConv2D(3, 2, padding="same", activation=a),
    "transposed": lambda a: L.Conv2DTranspose(2, 3, padding="same", activation=a),
    "layer": lambda a: L.Activation(a),
    "pooled": lambda _: L.MaxPooling2D(2, padding="same"),
    "larger": lambda _: L.UpSampling2D(2),
    "normalised": lambda _: L.BatchNormalization(),
    "dropout": lambda _: L.SpatialDropout2D(0.2),
    "flipped": lambda _: L.RandomFlip(),
}
LAYERS = {"table": TABLE, "series": SERIES, "image": IMAGE, "tokens": SERIES}


def _schedule() -> Any:
    return keras.optimizers.schedules.CosineDecay(0.02, 10)


OPTIMIZERS = {
    "sgd": lambda: keras.optimizers.SGD(0.05, momentum=0.9, nesterov=True),
    "adam": lambda: keras.optimizers.Adam(0.01, clipnorm=1.0),
    "adamw": lambda: keras.optimizers.AdamW(0.01, weight_decay=0.05),
    "schedule": lambda: keras.optimizers.Adam(_schedule()),
    "average": lambda: keras.optimizers.SGD(0.05, use_ema=True, ema_overwrite_frequency=2),
    "accumulated": lambda: keras.optimizers.SGD(0.05, gradient_accumulation_steps=2),
    "scaled": lambda: keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.05)),
    "rmsprop": lambda: "rmsprop",
    "adafactor": lambda: keras.optimizers.Adafactor(0.01),
    "lion": lambda: keras.optimizers.Lion(0.01, weight_decay=0.02),
    "muon": lambda: keras.optimizers.Muon(0.01),
    "nadam": lambda: keras.optimizers.Nadam(0.01, use_ema=True),
    "ftrl": lambda: keras.optimizers.Ftrl(0.05),
    "lamb": lambda: keras.optimizers.Lamb(0.01, clipvalue=0.5),
    "adagrad": lambda: keras.optimizers.Adagrad(0.05),
    "clipped": lambda: keras.optimizers.SGD(0.05, global_clipnorm=0.5, weight_decay=0.01),
}


def own_loss(y_true: Any, y_pred: Any) -> Any:
    """A loss as users write it."""
    return keras.ops.mean(keras.ops.abs(keras.ops.cast(y_true, y_pred.dtype) - y_pred), -1)


def own_metric(y_true: Any, y_pred: Any) -> Any:
    """A metric as users write it."""
    return keras.ops.mean(keras.ops.square(keras.ops.cast(y_true, y_pred.dtype) - y_pred), -1)


# Units and activation of the output, losses, and metrics.
TASKS: dict[str, tuple[int, str | None, dict[str, Any], dict[str, Any]]] = {
    "classes": (
        3,
        "softmax",
        {
            "name": lambda: "sparse_categorical_crossentropy",
            "object": lambda: keras.losses.SparseCategoricalCrossentropy(),
        },
        {
            "accuracy": lambda: "accuracy",
            "acc": lambda: "acc",
            "top": lambda: keras.metrics.SparseTopKCategoricalAccuracy(2),
        },
    ),
    "one-hot": (
        3,
        "softmax",
        {
            "name": lambda: "categorical_crossentropy",
            "smooth": lambda: keras.losses.CategoricalCrossentropy(label_smoothing=0.1),
            "focal": lambda: keras.losses.CategoricalFocalCrossentropy(),
            "function": lambda: own_loss,
            "dice": lambda: keras.losses.Dice(),
        },
        {
            "accuracy": lambda: "accuracy",
            "f1": lambda: keras.metrics.F1Score(),
            "own": lambda: own_metric,
            "iou": lambda: keras.metrics.OneHotMeanIoU(3),
            "cosine": lambda: keras.metrics.CosineSimilarity(),
        },
    ),
    "binary": (
        1,
        "sigmoid",
        {"name": lambda: "binary_crossentropy", "object": lambda: keras.losses.BinaryFocalCrossentropy()},
        {
            "accuracy": lambda: "accuracy",
            "auc": lambda: keras.metrics.AUC(),
            "f1": lambda: keras.metrics.F1Score(threshold=0.5),
            "recall": lambda: keras.metrics.Recall(),
            "sensitivity": lambda: keras.metrics.SensitivityAtSpecificity(0.5),
        },
    ),
    "number": (
        1,
        None,
        {
            "name": lambda: "mse",
            "object": lambda: keras.losses.Huber(),
            "function": lambda: own_loss,
            "sum": lambda: keras.losses.LogCosh(reduction="sum"),
        },
        {
            "mae": lambda: "mae",
            "rmse": lambda: keras.metrics.RootMeanSquaredError(),
            "own": lambda: own_metric,
            "r2": lambda: keras.metrics.R2Score(),
        },
    ),
}


@dataclass(frozen=True)
class RandomModel:
    """A model, its data and how it is trained; names of the tables above.

    Args:
        space: The activations to search; the model has `activation`.
        num_trials: 1 to train only the first of them.
        passed_as: The `model` or a `function` that makes it.
        start: `keep` for the weights of the model, None for new ones.
        The others are said by their names.
    """

    kind: str
    policy: str
    layers: tuple[str, ...]
    is_shared: bool
    tasks: tuple[str, ...]
    loss: int
    loss_weights: tuple[float, ...] | None
    metrics: tuple[int, ...]
    are_weighted: bool
    optimizer: str
    weights: str
    num_samples: int
    batch_size: int
    activation: str
    space: tuple[str, ...]
    num_trials: int
    passed_as: str
    start: str | None

    def build(self) -> keras.Model:
        """Builds and compiles the model."""
        before = keras.config.dtype_policy()
        keras.config.set_dtype_policy(self.policy)
        try:
            inputs = keras.Input(SHAPES[self.kind], dtype="int32" if self.kind == "tokens" else None)
            hidden = self._hidden(inputs)
            outputs = [self._output(task, number)(hidden) for number, task in enumerate(self.tasks)]
            model = keras.Model(inputs, outputs if len(outputs) > 1 else outputs[0])
            losses = [self._pick(TASKS[task][2], self.loss) for task in self.tasks]
            metrics = [self._metrics(task) for task in self.tasks]
            name = "weighted_metrics" if self.are_weighted else "metrics"
            if len(self.tasks) == 1:
                model.compile(OPTIMIZERS[self.optimizer](), losses[0], **{name: metrics[0]})
            else:
                weights = None if self.loss_weights is None else list(self.loss_weights)
                model.compile(OPTIMIZERS[self.optimizer](), losses, loss_weights=weights, **{name: metrics})
        finally:
            keras.config.set_dtype_policy(before)
        return model

    @property
    def can_be_compared(self) -> bool:
        """Whether a trial with the activation of the model has its history, if the weights are kept."""
        return self.start == "keep" and "prelu" not in self.layers and not RANDOM & set(self.layers)

    def _hidden(self, x: Any) -> Any:
        if self.kind == "tokens":
            x = L.Embedding(9, 4, mask_zero=True)(x)
        for name in self.layers:
            x = LAYERS[self.kind][name](self.activation)(x)
        if self.kind in ("series", "tokens"):
            x = L.GlobalAveragePooling1D()(x)
        elif self.kind == "image":
            x = L.Flatten()(x)
        x = L.Dense(5, self.activation)(x)
        if self.is_shared:
            shared = L.Dense(5, self.activation)
            x = L.Add()([x, shared(x), shared(shared(x))])
        return x

    def _output(self, task: str, number: int) -> Any:
        units, activation, _, _ = TASKS[task]
        dtype = "float32" if self.policy.startswith("mixed") else None
        return L.Dense(units, activation, dtype=dtype, name=f"output_{number}")

    def _metrics(self, task: str) -> list[Any]:
        names = TASKS[task][3]
        return [self._pick(names, number) for number in dict.fromkeys(n % len(names) for n in self.metrics)]

    def _pick(self, table: dict[str, Any], number: int) -> Any:
        return list(table.values())[number % len(table)]()

    def data(self) -> tuple[Any, Any, dict[str, Any], tuple[Any, Any]]:
        """Returns x, y, weights, and validation data."""
        rng = np.random.default_rng(0)
        count = self.num_samples + 12
        shape = (count, *SHAPES[self.kind])
        x = rng.integers(0, 9, shape) if self.kind == "tokens" else rng.normal(size=shape).astype("float32")
        labels = rng.integers(0, 3, count)
        numbers = rng.normal(size=(count, 1)).astype("float32")
        known = {
            "classes": labels,
            "one-hot": np.eye(3, dtype="float32")[labels],
            "binary": (labels > 0).astype("float32")[:, None],
            "number": numbers,
        }
        targets = [known[task] for task in self.tasks]
        train, held = ([y[rows] for y in targets] for rows in (slice(12, None), slice(0, 12)))
        single = len(targets) == 1
        options: dict[str, Any] = {}
        if self.weights == "samples":
            options["sample_weight"] = rng.uniform(0, 2, self.num_samples).astype("float32")
        elif self.weights == "classes" and single and self.tasks[0] != "number":
            options["class_weight"] = {0: 1.0, 1: 3.0, 2: 0.5}
        y, y_held = (train[0], held[0]) if single else (train, held)
        return x[12:], y, options, (x[:12], y_held)


@st.composite
def models(draw: Any) -> RandomModel:
    """Draws a model."""
    kind = draw(st.sampled_from(sorted(SHAPES)))
    names = st.lists(st.sampled_from(sorted(LAYERS[kind])), min_size=1, max_size=3)
    tasks = st.lists(st.sampled_from(sorted(TASKS)), min_size=1, max_size=2)
    policies = ["float32", "float32", "mixed_float16", "mixed_bfloat16", "float64"]
    activation = draw(st.sampled_from(ACTIVATIONS))
    return RandomModel(
        kind=kind,
        policy=draw(st.sampled_from(policies)),
        layers=tuple(draw(names)),
        is_shared=draw(st.booleans()),
        tasks=tuple(draw(tasks)),
        loss=draw(st.integers(0, 4)),
        loss_weights=draw(st.sampled_from([None, None, (0.25, 2.0)])),
        metrics=tuple(draw(st.lists(st.integers(0, 4), min_size=1, max_size=2))),
        are_weighted=draw(st.booleans()),
        optimizer=draw(st.sampled_from(sorted(OPTIMIZERS))),
        weights=draw(st.sampled_from(["none", "samples", "classes"])),
        num_samples=draw(st.sampled_from([24, 31])),
        batch_size=draw(st.sampled_from([7, 16, 64])),
        activation=activation,
        space=tuple(draw(st.permutations([activation, draw(st.sampled_from(OTHERS))]))),
        num_trials=draw(st.sampled_from([1, 1, 2])),
        passed_as=draw(st.sampled_from(["model", "function"])),
        start=draw(st.sampled_from(["keep", None])),
    )


def drawn_models(count: int) -> list[RandomModel]:
    """Draws different models, the same ones each time, with each optimizer about as often as the others.

    Hypothesis prefers the first of several values, so more are drawn than taken.
    """
    found: dict[RandomModel, None] = {}

    @settings(
        max_examples=5 * count,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(models())
    def collect(model: RandomModel) -> None:
        found[model] = None

    collect()
    alike: Counter[str] = Counter()
    turns: dict[RandomModel, int] = {}
    for model in found:
        turns[model] = alike[model.optimizer]
        alike[model.optimizer] += 1
    return sorted(found, key=turns.__getitem__)[:count]
