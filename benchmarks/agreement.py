"""Do executions have the history of `model.fit`, over 20 seeds, however they are trained?

    python benchmarks/agreement.py [--seeds 20] [--only "arrays" "data set"]

For each seed, `model.fit` starts from the same weights and gets the samples in the same order. Compared are all logs of
all epochs: loss and metrics, of training and validation. A path is how actsearch trains: epochs compiled over arrays or
over a `tf.data.Dataset`, or `model.fit` with its callbacks. Executions follow one another as in a search, so most of
them use the trace of the first. In `mixed_bfloat16` a sum in another order changes a step: `random_models.py` compares
it with a wider tolerance.
"""

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.insert(0, str(Path(__file__).parents[1]))

import keras
import keras_tuner
import numpy as np
import tensorflow as tf
from sklearn.datasets import load_digits

import actsearch
from actsearch.data.rows import Rows
from actsearch.records import Direction, ExecutionRequest, Objective, Status
from actsearch.training.array_loop import order_of
from actsearch.training.data import TrainingData, training_data
from actsearch.training.execution import Executions
from actsearch.training.model_cache import build_model

EPOCHS, BATCH, TOLERANCE, NUM_TRAINED = 3, 32, 1e-5, 300
History = dict[str, list[float]]
FIT, COMPILED = "fit", "compiled"


def samples() -> tuple[Any, Any]:
    """400 digits."""
    x, y = load_digits(return_X_y=True)
    return (x[:400] / 16).astype("float32"), y[:400].astype("int32")


def arrays(**options: Any) -> TrainingData:
    """Arrays for training and validation; the last batch is smaller."""
    x, y = samples()
    held = {"validation_data": (x[NUM_TRAINED:], y[NUM_TRAINED:])}
    return training_data(x[:NUM_TRAINED], y[:NUM_TRAINED], **{**held, **options})


def weighted() -> TrainingData:
    """Arrays with a weight for each sample and for each class."""
    weight = np.random.default_rng(0).uniform(0.1, 2, NUM_TRAINED).astype("float32")
    return arrays(sample_weight=weight, class_weight={label: 0.5 + label / 9 for label in range(10)})


def large() -> TrainingData:
    """Arrays that are read as they are needed."""
    x, y = samples()
    return TrainingData(Rows(x[:NUM_TRAINED]), y[:NUM_TRAINED], (x[NUM_TRAINED:], y[NUM_TRAINED:]))


def data_set(*, has_length: bool = True) -> TrainingData:
    """A shuffled data set with noise."""
    x, y = samples()
    data = tf.data.Dataset.from_tensor_slices((x[:NUM_TRAINED], y[:NUM_TRAINED])).shuffle(NUM_TRAINED)
    data = data.map(lambda x, y: (x + tf.random.normal(x.shape, stddev=0.05), y))
    data = data if has_length else data.filter(lambda *_: tf.constant(value=True))
    held = tf.data.Dataset.from_tensor_slices((x[NUM_TRAINED:], y[NUM_TRAINED:])).batch(BATCH)
    return training_data(data.batch(BATCH).prefetch(2), validation_data=held)


class Parts(keras.utils.PyDataset):
    """The samples in batches."""

    def __init__(self, x: Any, y: Any) -> None:
        super().__init__()
        self._x, self._y = x, y

    def __len__(self) -> int:
        return -(-len(self._y) // BATCH)

    def __getitem__(self, number: int) -> tuple[Any, Any]:
        rows = slice(number * BATCH, (number + 1) * BATCH)
        return self._x[rows], self._y[rows]


def batches() -> Iterator[Any]:
    """Batches without end."""
    parts = Parts(*samples())
    while True:
        yield from (parts[number] for number in range(9))


def py_dataset() -> TrainingData:
    """A `keras.utils.PyDataset` for training and validation."""
    x, y = samples()
    return training_data(
        Parts(x[:NUM_TRAINED], y[:NUM_TRAINED]), validation_data=Parts(x[NUM_TRAINED:], y[NUM_TRAINED:])
    )


def generator() -> TrainingData:
    """A function that returns a generator."""
    x, y = samples()
    held = (x[NUM_TRAINED:], y[NUM_TRAINED:])
    return training_data(batches, validation_data=held, fit_options={"steps_per_epoch": 9})


class Batchwise(keras.callbacks.Callback):
    """A callback that needs every batch, and so `model.fit`."""

    num_batches = 0

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:  # noqa: ARG002  Keras's signature
        self.num_batches += 1


def network(_: Any) -> keras.Model:
    """An MLP with batch normalization, which would let a bias follow rounding errors, dropout and weight decay."""
    return _compiled(
        [keras.layers.Dense(24, use_bias=False), keras.layers.BatchNormalization(), keras.layers.Activation("gelu")]
    )


def convolutional(_: Any) -> keras.Model:
    """A network large enough for all cores."""
    layers = keras.layers
    parts = [layers.Reshape((8, 8, 1)), *(layers.Conv2D(48, 3, activation="elu") for _ in range(2)), layers.Flatten()]
    return _compiled(parts)


def recurrent(_: Any) -> keras.Model:
    """An LSTM over the rows of a digit."""
    return _compiled([keras.layers.Reshape((8, 8)), keras.layers.LSTM(16, dropout=0.1)])


def _compiled(parts: list[Any]) -> keras.Model:
    top = [keras.layers.Dropout(0.2), keras.layers.Dense(10, "softmax", dtype="float32")]
    model = keras.Sequential([keras.Input((64,)), *parts, *top])
    metrics = ["accuracy", keras.metrics.SparseTopKCategoricalAccuracy(3, name="top_3")]
    model.compile(keras.optimizers.AdamW(0.01), "sparse_categorical_crossentropy", metrics=metrics)
    return model


def in_order(model: keras.Model, data: TrainingData, seed: int) -> History:
    """`fit` on arrays in the order of the execution."""
    histories, held = [], {"validation_data": data.validation, "verbose": 0, "batch_size": BATCH}
    for epoch in range(EPOCHS):
        rows = order_of(seed, epoch, NUM_TRAINED)
        weight = None if data.weight is None else np.asarray(data.weight)[rows]
        options = {"epochs": epoch + 1, "initial_epoch": epoch, "shuffle": False, "sample_weight": weight, **held}
        histories.append(model.fit(np.asarray(data.x[rows]), data.y[rows], **options).history)
    return joined(histories)


def seeded(model: keras.Model, data: TrainingData, seed: int) -> History:
    """`fit` on the data set with the seeds of the execution."""
    assert data.pipeline is not None
    made = data.pipeline.with_seed(seed)
    if data.pipeline.cardinality is None:
        model.steps_per_execution = 2  # with one, fit counts a step too many where the data end
    held = {"validation_data": data.validation, "verbose": 0}
    return joined([model.fit(made(e), epochs=e + 1, initial_epoch=e, **held).history for e in range(EPOCHS)])


def as_it_is(model: keras.Model, data: TrainingData, seed: int) -> History:
    """`fit` as a user calls it after `set_random_seed`."""
    keras.utils.set_random_seed(seed)
    x = batches() if data.fit_options else data.x
    options = {"y": data.y, "batch_size": BATCH} if data.are_arrays else {"shuffle": False}
    held = {"validation_data": data.validation, "verbose": 0}
    return dict(model.fit(x, epochs=EPOCHS, **options, **held, **data.fit_options).history)


def joined(histories: list[History]) -> History:
    """One history of epochs that were trained by calls of their own."""
    return {name: [history[name][0] for history in histories] for name in histories[0]}


@dataclass(frozen=True)
class Way:
    """How executions are trained: by which trainer, on what, and what `model.fit` does for the same history."""

    trainer: str
    data: Callable[[], TrainingData]
    fit: Callable[[keras.Model, TrainingData, int], History]
    build: Callable[[Any], keras.Model] = network
    callbacks: tuple[keras.callbacks.Callback, ...] = ()
    policy: str = "float32"


PATHS = {
    "arrays": Way(COMPILED, arrays, in_order),
    "arrays, weighted": Way(COMPILED, weighted, in_order),
    "arrays, convolutions": Way(COMPILED, arrays, in_order, convolutional),
    "arrays, LSTM": Way(COMPILED, arrays, in_order, recurrent),
    "arrays, mixed_float16": Way(COMPILED, arrays, in_order, policy="mixed_float16"),
    "data set": Way(COMPILED, data_set, seeded),
    "data set of unknown length": Way(COMPILED, lambda: data_set(has_length=False), seeded),
    "large arrays": Way(COMPILED, large, in_order),
    "callback for batches": Way(FIT, arrays, as_it_is, callbacks=(Batchwise(),)),
    "PyDataset": Way(FIT, py_dataset, as_it_is),
    "generator": Way(FIT, generator, as_it_is),
}


def compared(way: Way, num_seeds: int) -> dict[str, Any]:
    """Trains by both, from each seed; the difference of two values is relative where they are above 1."""
    keras.config.set_dtype_policy(way.policy)
    data, differences, equal = way.data(), list[float](), 0
    objective = Objective("val_loss", Direction.MIN)
    executions = Executions(way.build, data, objective, callbacks=way.callbacks, batch_size=BATCH, health=False)
    for seed in range(1, num_seeds + 1):
        record = executions.run(ExecutionRequest("0", seed, seed, EPOCHS, {})).record
        assert record.status is Status.COMPLETED, record.reason
        assert record.trainer == way.trainer, record.trainer
        expected = way.fit(build_model(way.build, keras_tuner.HyperParameters(), seed), data, seed)
        assert sorted(record.history) == sorted(expected)
        found, wanted = (np.array([h[name] for name in sorted(expected)]) for h in (record.history, expected))
        differences.append(float(np.max(np.abs(found - wanted) / np.maximum(np.abs(wanted), 1))))
        equal += bool(np.array_equal(found, wanted))
    agreeing = sum(difference <= TOLERANCE for difference in differences)
    counts = {"seeds": num_seeds, "agree": agreeing, "equal_to_the_last_bit": equal}
    return {"trainer": way.trainer, **counts, "largest_difference": max(differences)}


def main() -> None:
    """Compares, prints, and writes the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--only", nargs="+", choices=list(PATHS), help="the others stay as they are in the JSON")
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results" / "agreement.json")
    options = parser.parse_args()
    result: dict[str, Any] = json.loads(options.output.read_text()) if options.output.exists() else {"paths": {}}
    for name in options.only or PATHS:
        began = time.perf_counter()
        result["paths"][name] = found = compared(PATHS[name], options.seeds)
        print(f"{name:28} {found} in {time.perf_counter() - began:.0f} s", flush=True)
        versions = {"python": platform.python_version(), "keras": keras.__version__, "tensorflow": tf.__version__}
        result |= {"question": __doc__.splitlines()[0], "tolerance": TOLERANCE, "epochs": EPOCHS}
        result |= {"versions": versions | {"actsearch": actsearch.__version__}, "machine": platform.machine()}
        options.output.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
