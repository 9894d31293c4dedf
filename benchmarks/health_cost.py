"""What does a diagnosis of the first execution of each trial, at its first and last epoch, add to a search?

    python benchmarks/health_cost.py [--out benchmarks/results/health_cost.json]    # 3 minutes

Executions as a search runs them, with `ActivationHealth` in the first one of each trial. Measured is the time inside of
the callback, against the time of all executions without it. A tiny model: 3 × 64 units on handwritten digits, where
everything that is not training weighs most. One bound by computation: three convolutions on images of noise.

Beside it, what it would cost to trace the same measurement as a TensorFlow function, once a trial.
"""

import argparse
import json
import os
import platform
import time
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.datasets import load_digits

import actsearch
from actsearch._startup import load_tensorflow
from actsearch.diagnostics.health import ActivationHealth
from actsearch.records import Direction, ExecutionRequest, Objective
from actsearch.training.data import TrainingData
from actsearch.training.execution import Executions

load_tensorflow()

import keras  # noqa: E402
import tensorflow as tf  # noqa: E402

ACTIVATIONS = ("relu", "prelu", "leaky_relu", "elu", "selu", "tanh", "silu")
OBJECTIVE = Objective("val_accuracy", Direction.MAX)


class Timed(ActivationHealth):
    """Keeps the seconds that are spent inside of it."""

    seconds = 0.0

    def on_train_begin(self, logs: Any = None) -> None:
        """As it is, timed."""
        self._timed(super().on_train_begin, logs)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """As it is, timed."""
        self._timed(super().on_epoch_end, epoch, logs)

    def on_train_end(self, logs: Any = None) -> None:
        """As it is, timed."""
        self._timed(super().on_train_end, logs)

    def _timed(self, hook: Any, *arguments: Any) -> None:
        began = time.perf_counter()
        hook(*arguments)
        self.seconds += time.perf_counter() - began


def perceptron(hp: Any) -> keras.Model:
    """3 × 64 units."""
    activation = actsearch.choose(hp, {"activations": list(ACTIVATIONS)})
    layers = [keras.Input((64,))]
    for _ in range(3):
        layers += [keras.layers.Dense(64, kernel_initializer=activation.initializer()), activation.layer()]
    return compiled([*layers, keras.layers.Dense(10, activation="softmax")])


def convolutions(hp: Any) -> keras.Model:
    """Three convolutions with 32 to 128 filters."""
    activation = actsearch.choose(hp, {"activations": list(ACTIVATIONS)})
    layers = [keras.Input((32, 32, 3))]
    for filters in (32, 64, 128):
        kernel = activation.initializer()
        layers += [keras.layers.Conv2D(filters, 3, padding="same", kernel_initializer=kernel), activation.layer()]
        layers += [keras.layers.MaxPooling2D()]
    return compiled([*layers, keras.layers.Flatten(), keras.layers.Dense(10, activation="softmax")])


def compiled(layers: list[Any]) -> keras.Model:
    """A classifier."""
    model = keras.Sequential(layers)
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def measured(
    build: Any, data: TrainingData, activations: tuple[str, ...], executions: int, epochs: int
) -> dict[str, Any]:
    """Seconds of a search, and of the diagnoses in it."""
    health: list[Timed] = []
    first = True

    def callbacks() -> list[Timed]:
        if not first:
            return []
        health.append(Timed(data.x, data.y))
        return [health[-1]]

    runner = Executions(build, data, OBJECTIVE, callbacks=callbacks, health=False)
    began = time.perf_counter()
    for execution in range(1, executions + 1):
        first = execution == 1
        for name in activations:
            record = runner.run(ExecutionRequest(name, execution, execution, epochs, {"activation": name})).record
            assert record.trainer == "compiled", record.reason
    seconds = time.perf_counter() - began
    spent = [callback.seconds for callback in health]
    return {
        "activations": len(activations),
        "executions": executions,
        "epochs": epochs,
        "search_seconds": seconds - sum(spent),
        "health_seconds": sum(spent),
        "health_seconds_by_trial": spent,
        "share": sum(spent) / (seconds - sum(spent)),
    }


def traced_seconds(build: Any, data: TrainingData) -> float:
    """Seconds to trace forward pass, loss and gradients on a probe, and to call that once: less than a measurement."""
    from keras_tuner import HyperParameters

    hp = HyperParameters()
    hp.values = {"activation": "relu"}
    model = build(hp)
    x, y = tf.constant(data.x[:256]), tf.constant(data.y[:256])

    def measure() -> Any:
        with tf.GradientTape() as tape:
            loss = model.compute_loss(x, y, model(x, training=True))
        return tape.gradient(loss, [w.value for w in model.trainable_variables])

    measure()
    began = time.perf_counter()
    tf.function(measure, autograph=False).get_concrete_function()()
    return time.perf_counter() - began


def main() -> None:
    """Measures, prints, and writes the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "health_cost.json")
    out = parser.parse_args().out
    x, y = load_digits(return_X_y=True)
    x, y = (x / 16).astype("float32"), y.astype("int32")
    digits = TrainingData(x[:1400], y[:1400], (x[1400:], y[1400:]))
    draw = np.random.default_rng(0)
    noise = draw.normal(size=(2500, 32, 32, 3)).astype("float32"), draw.integers(0, 10, 2500).astype("int32")
    images = TrainingData(noise[0][:2000], noise[1][:2000], (noise[0][2000:], noise[1][2000:]))
    found = {
        "tiny": measured(perceptron, digits, ACTIVATIONS, 3, 10) | {"tracing": traced_seconds(perceptron, digits)},
        "bound by computation": measured(convolutions, images, ACTIVATIONS[:2], 3, 10)
        | {"tracing": traced_seconds(convolutions, images)},
    }
    for name, row in found.items():
        print(
            f"{name}: search {row['search_seconds']:.1f} s, diagnoses {row['health_seconds']:.2f} s "
            f"({row['share']:.2%}), one trace {row['tracing']:.2f} s"
        )
    result = {
        "question": __doc__.splitlines()[0],
        "versions": {"python": platform.python_version(), "keras": keras.__version__, "tensorflow": tf.__version__},
        "hardware": {"machine": platform.machine(), "num_cores": os.cpu_count()},
        "models": found,
    }
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
