"""Random small models: each is trained by `model.fit` and by an execution of a search, from the same weights.

Both see the samples in the same order, so their histories must be equal within the precision of the model. A model that
`fit` trains must not fail, and none may hang: a hang ends the program with the stacks of its threads.

    python benchmarks/random_models.py [--examples 200]
"""

import argparse
import faulthandler
import os
import time
from collections import Counter
from dataclasses import dataclass
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import hypothesis.strategies as st
import keras
import keras_tuner
import numpy as np
from hypothesis import HealthCheck, Phase, given, settings
from keras import layers as L  # noqa: N812

from actsearch.records import Direction, ExecutionRequest, Objective, Status
from actsearch.training.data import training_data
from actsearch.training.execution import Executions
from actsearch.training.model_cache import build_model

SEED, EPOCHS, LIMIT_SECONDS = 5, 2, 120
SHAPES = {"table": (6,), "series": (5, 3), "image": (6, 6, 2), "tokens": (5,)}
# Halved precision: a sum in another order changes a step; a metric that counts may then count a sample differently.
TOLERANCE = {"float64": 1e-5, "float32": 2e-3, "mixed_bfloat16": 0.15, "mixed_float16": 0.1}

TABLE = {
    "dense": lambda: L.Dense(5, "relu"),
    "gelu": lambda: L.Dense(4, "gelu", kernel_regularizer="l2"),
    "prelu": lambda: L.PReLU(),
    "normalised": lambda: L.LayerNormalization(),
    "dropout": lambda: L.Dropout(0.3),
    "noise": lambda: L.GaussianNoise(0.1),
    "spectral": lambda: L.SpectralNormalization(L.Dense(4)),
}
SERIES = {
    "lstm": lambda: L.LSTM(4, return_sequences=True),
    "gru": lambda: L.GRU(3, return_sequences=True, dropout=0.2, recurrent_dropout=0.2),
    "simple": lambda: L.SimpleRNN(3, return_sequences=True),
    "both ways": lambda: L.Bidirectional(L.LSTM(2, return_sequences=True)),
    "convolution": lambda: L.Conv1D(4, 3, padding="causal", activation="elu"),
    "attention": lambda: "attention",
    "each step": lambda: L.TimeDistributed(L.Dense(3, "tanh")),
    "masked": lambda: L.Masking(),
    "dropout": lambda: L.SpatialDropout1D(0.2),
}
IMAGE = {
    "convolution": lambda: L.Conv2D(4, 3, padding="same", activation="relu"),
    "depthwise": lambda: L.DepthwiseConv2D(3, padding="same"),
    "separable": lambda: L.SeparableConv2D(3, 2, padding="same", activation="swish"),
    "pooled": lambda: L.MaxPooling2D(2, padding="same"),
    "normalised": lambda: L.BatchNormalization(),
    "dropout": lambda: L.SpatialDropout2D(0.2),
    "flipped": lambda: L.RandomFlip(),
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
        },
        {"accuracy": lambda: "accuracy", "f1": lambda: keras.metrics.F1Score(), "own": lambda: own_metric},
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
        },
    ),
    "number": (
        1,
        None,
        {"name": lambda: "mse", "object": lambda: keras.losses.Huber(), "function": lambda: own_loss},
        {"mae": lambda: "mae", "rmse": lambda: keras.metrics.RootMeanSquaredError(), "own": lambda: own_metric},
    ),
}


@dataclass(frozen=True)
class RandomModel:
    """A model, its data and how it is trained; names of the tables above."""

    kind: str
    policy: str
    layers: tuple[str, ...]
    is_shared: bool
    tasks: tuple[str, ...]
    loss: int
    metrics: tuple[int, ...]
    are_weighted: bool
    optimizer: str
    weights: str
    num_samples: int
    batch_size: int

    def build(self, hp: Any) -> keras.Model:  # noqa: ARG002  a build function
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
            whole = losses[0] if len(losses) == 1 else losses
            model.compile(OPTIMIZERS[self.optimizer](), whole, **{name: metrics[0] if len(losses) == 1 else metrics})
        finally:
            keras.config.set_dtype_policy(before)
        return model

    def _hidden(self, x: Any) -> Any:
        if self.kind == "tokens":
            x = L.Embedding(9, 4, mask_zero=True)(x)
        for name in self.layers:
            layer = LAYERS[self.kind][name]()
            x = L.MultiHeadAttention(2, 2)(x, x) if layer == "attention" else layer(x)
        if self.kind in ("series", "tokens"):
            x = L.GlobalAveragePooling1D()(x)
        elif self.kind == "image":
            x = L.Flatten()(x)
        if self.is_shared:
            x = L.Dense(5)(x)
            shared = L.Dense(5, "tanh")
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
    return RandomModel(
        kind=kind,
        policy=draw(st.sampled_from(policies)),
        layers=tuple(draw(names)),
        is_shared=draw(st.booleans()),
        tasks=tuple(draw(tasks)),
        loss=draw(st.integers(0, 3)),
        metrics=tuple(draw(st.lists(st.integers(0, 3), min_size=1, max_size=2))),
        are_weighted=draw(st.booleans()),
        optimizer=draw(st.sampled_from(sorted(OPTIMIZERS))),
        weights=draw(st.sampled_from(["none", "samples", "classes"])),
        num_samples=draw(st.sampled_from([24, 31])),
        batch_size=draw(st.sampled_from([7, 16, 64])),
    )


def check(model: RandomModel) -> str:
    """Trains a model both ways, and compares.

    Returns:
        What happened: `equal`, or `not trained by fit` with the error.

    Raises:
        AssertionError: The execution failed, or its history is another one.
    """
    faulthandler.dump_traceback_later(LIMIT_SECONDS, exit=True)
    try:
        return _check(model)
    finally:
        faulthandler.cancel_dump_traceback_later()


def _check(model: RandomModel) -> str:
    x, y, options, held = model.data()
    try:
        fitted = build_model(model.build, None, SEED)
        history = fitted.fit(
            *(x, y),
            validation_data=held,
            epochs=EPOCHS,
            batch_size=model.batch_size,
            shuffle=False,
            verbose=0,
            **options,
        ).history
    except Exception as error:  # noqa: BLE001  what fit refuses is no case
        return f"not trained by fit: {type(error).__name__}"
    if not all(np.isfinite(history["loss"] + history["val_loss"])):
        return "not trained by fit: not finite"
    data = training_data(x, y, validation_data=held, fit_options={"shuffle": False}, **options)
    executions = Executions(
        model.build, data, Objective("val_loss", Direction.MIN), batch_size=model.batch_size, health=False
    )
    request = ExecutionRequest("0", 1, SEED, EPOCHS, keras_tuner.HyperParameters().values)
    record = executions.run(request).record
    assert record.status is Status.COMPLETED, record.reason
    assert record.trainer == "compiled"
    tolerance = TOLERANCE[model.policy]
    numbers = {name: values for name, values in history.items() if np.size(values[0]) == 1}
    assert sorted(record.history) == sorted(numbers)
    for name, values in numbers.items():
        expected = np.array([np.asarray(value).item() for value in values])
        np.testing.assert_allclose(record.history[name], expected, rtol=tolerance, atol=tolerance, err_msg=name)
    return "equal"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--examples", type=int, default=200)
    arguments = parser.parse_args()
    outcomes: Counter[str] = Counter()
    begin = time.perf_counter()

    @settings(
        max_examples=arguments.examples,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(models())
    def run(model: RandomModel) -> None:
        try:
            outcome = check(model)
        except Exception as error:  # noqa: BLE001  to count it, and to try the others
            outcome = "WRONG"
            print(model, f"\n  {type(error).__name__}: {' '.join(str(error).split())[:600]}", flush=True)
        outcomes[outcome] += 1
        if outcome.startswith("not"):
            print(model, outcome, flush=True)
        if outcomes.total() % 10 == 0 or outcomes.total() == arguments.examples:
            print(f"{outcomes.total()} models in {time.perf_counter() - begin:.0f} s: {dict(outcomes)}", flush=True)

    run()


if __name__ == "__main__":
    main()
