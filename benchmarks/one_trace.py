"""Does one trace that switches between activations pay, against a trace for each?

    python benchmarks/one_trace.py       # a minute

`tf.switch_case` at each activation of the digits MLP (3 × 64 units, batches of 32), in epochs as searches run them:
seconds until the first batch is trained, and seconds of an epoch with its validation. `same_weights` says
whether the weights after the last epoch are equal to the last bit.
"""

import argparse
import json
import os
import platform
import statistics
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from same_works import WORKS, Data

from actsearch.activations import registry
from actsearch.training.array_loop import order_of
from actsearch.training.data import TrainingData
from actsearch.training.epochs import CompiledEpochs

WORK = WORKS["mlp"]
NUM_EPOCHS = 30


class Switch(keras.layers.Layer):
    """Any of the activations, as `chosen` says."""

    chosen = tf.Variable(0, trainable=False)

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.branches = [registry.get(name).layer() for name in WORK.activations]

    def compute_output_spec(self, inputs: Any) -> Any:
        """As what goes in: the variable has no value while Keras looks at shapes."""
        return keras.KerasTensor(inputs.shape, inputs.dtype)

    def call(self, inputs: Any) -> Any:
        """The chosen activation's values."""
        return tf.switch_case(self.chosen.read_value(), [lambda b=b: b(inputs) for b in self.branches])


def network(activation: Callable[[], Any]) -> keras.Model:
    """The model of the work with these layers."""
    keras.utils.set_random_seed(1)
    parts: list[Any] = [keras.Input((64,))]
    for _ in range(3):
        parts += [keras.layers.Dense(64), activation()]
    model = keras.Sequential([*parts, keras.layers.Dense(10, activation="softmax")])
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


class Traced:
    """The epochs of a model, which can begin anew."""

    def __init__(self, activation: Callable[[], Any], tensors: Any) -> None:
        self._model = network(activation)
        start = time.perf_counter()
        self._epochs = CompiledEpochs(self._model, tensors, WORK.batch_size)
        variables = [*self._model.variables, *self._model.optimizer.variables]
        self._begin = [(v, np.array(v.numpy())) for v in variables]
        self._epochs.trace()
        self.seconds = time.perf_counter() - start

    def train(self) -> tuple[float, list[np.ndarray]]:
        """Median seconds of an epoch, and the weights after the last one."""
        for variable, value in self._begin:
            variable.assign(value)
        seconds = []
        for number in range(NUM_EPOCHS):
            start = time.perf_counter()
            self._epochs.train(order_of(1, number, self._epochs.num_samples))
            seconds.append(time.perf_counter() - start)
        return statistics.median(seconds), self._model.get_weights()


def compared(tensors: Any) -> dict[str, Any]:
    """Seconds of both ways, once."""
    apart = [Traced(registry.get(name).layer, tensors) for name in WORK.activations]
    found = [traced.train() for traced in apart]
    together = Traced(Switch, tensors)
    switched = []
    for number, _ in enumerate(WORK.activations):
        Switch.chosen.assign(number)
        switched.append(together.train())
    same = all(
        np.array_equal(a, b)
        for (_, one), (_, two) in zip(found, switched, strict=True)
        for a, b in zip(one, two, strict=True)
    )
    return {
        "trace_seconds": {"apart": sum(traced.seconds for traced in apart), "switched": together.seconds},
        "epoch_seconds": {
            "apart": statistics.median(s for s, _ in found),
            "switched": statistics.median(s for s, _ in switched),
        },
        "same_weights": same,
    }


def main() -> None:
    """Measures, prints, and writes the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "one_trace.json")
    options = parser.parse_args()
    data = Data(WORK)
    tensors = TrainingData(*data.train, validation=data.validation).tensors()
    runs = [compared(tensors) for _ in range(options.repetitions)]
    medians = {
        kind: {way: statistics.median(run[kind][way] for run in runs) for way in ("apart", "switched")}
        for kind in ("trace_seconds", "epoch_seconds")
    }
    for kind, ways in medians.items():
        print(f"{kind}: {ways['apart']:.4f} apart, {ways['switched']:.4f} switched")
    gained = medians["trace_seconds"]["apart"] - medians["trace_seconds"]["switched"]
    lost = medians["epoch_seconds"]["switched"] - medians["epoch_seconds"]["apart"]
    print(f"it pays for fewer than {gained / lost / len(WORK.activations):.0f} epochs of each activation")
    result = {
        "question": (__doc__ or "").splitlines()[0],
        "medians": medians,
        "runs": runs,
        "versions": {"python": platform.python_version()} | {name: version(name) for name in ("tensorflow", "keras")},
        "hardware": {"machine": platform.machine(), "num_cores": os.cpu_count()},
    }
    options.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
