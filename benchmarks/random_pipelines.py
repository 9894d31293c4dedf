"""Do random `tf.data` pipelines train in a search as they do in `model.fit`?

    python benchmarks/random_pipelines.py [--pipelines 100] [--only 7 12]

Each pipeline is drawn from: the structure of a batch, weights, where the number of batches is known, `repeat` with
`steps_per_epoch`, what is shuffled and how, `map`, batches, caches, prefetching, validation data and the model. Two
executions with the same seed are trained, the second on the trace of the first. Their history must be that of
`model.fit` on the data set with the same seeds, to 1e-5. A hang ends the process with the stacks of its threads.

Where the number of batches is unknown, `fit` runs with two steps per execution. With one, Keras 3.15 notices the end of
the data only when it has begun another step: what needs no data in it, such as the number of steps of Adam and the
number of samples of a metric, may be counted once more.
"""

import argparse
import faulthandler
import json
import os
import platform
import sys
import time
import warnings
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.insert(0, str(Path(__file__).parents[1]))

import keras
import keras_tuner
import numpy as np
import tensorflow as tf

from actsearch.records import Direction, ExecutionRequest, Objective, Status
from actsearch.training.data import TrainingData, training_data
from actsearch.training.execution import Executions
from actsearch.training.model_cache import build_model

EPOCHS, SEED, LIMIT_SECONDS, TOLERANCE = 3, 5, 120, 1e-5
CHOICES: dict[str, tuple[Any, ...]] = {
    "structure": ("x", "x and y", "weights", "dict", "two inputs", "two outputs", "texts", "ragged", "sparse"),
    "length": ("known", "unknown", "generator", "files"),
    "steps": ("all", "repeated", "fewer", "too many"),
    "shuffle": ("no", "yes", "seed", "fixed", "after the batches"),
    "map": ("no", "plain", "parallel", "random", "table"),
    "batch_size": (1, 7, 20),
    "drop_remainder": (False, True),
    "cache": ("no", "before the shuffle", "after the shuffle"),
    "prefetch": (False, True),
    "class_weight": (False, True),
    "validation": ("arrays", "data set", "steps", "repeated"),
    "model": ("plain", "normalized", "own step", "subclass"),
}
NUM_SAMPLES = 47


@dataclass(frozen=True)
class RandomPipeline:
    """A pipeline; the values are those of `CHOICES`."""

    structure: str
    length: str
    steps: str
    shuffle: str
    map: str
    batch_size: int
    drop_remainder: bool
    cache: str
    prefetch: bool
    class_weight: bool
    validation: str
    model: str

    def dataset(self) -> tf.data.Dataset:
        """The training data."""
        data = self._samples()
        if self.length == "unknown":
            data = data.filter(lambda *_: tf.constant(value=True))
        if self.cache == "before the shuffle":
            data = data.cache()
        if self.shuffle in ("yes", "seed", "fixed"):
            seed = None if self.shuffle == "yes" else 3
            data = data.shuffle(30, seed=seed, reshuffle_each_iteration=self.shuffle != "fixed")
        if self.cache == "after the shuffle":
            data = data.cache()
        data = self._batched(self._mapped(data))
        if self.shuffle == "after the batches":
            data = data.shuffle(3)
        data = data.repeat() if self.steps == "repeated" else data
        return data.prefetch(tf.data.AUTOTUNE) if self.prefetch else data

    def _samples(self) -> tf.data.Dataset:
        arrays = self.arrays()
        if self.length == "files":
            parts = [tf.nest.map_structure(lambda a, p=p: a[p::3], arrays) for p in range(3)]
            sets = [tf.data.Dataset.from_tensor_slices(part) for part in parts]
            return tf.data.Dataset.choose_from_datasets(
                sets, tf.data.Dataset.range(3).repeat(), stop_on_empty_dataset=False
            )
        made = tf.data.Dataset.from_tensor_slices(arrays)
        if self.length != "generator":
            return made
        return tf.data.Dataset.from_generator(lambda: iter(made), output_signature=made.element_spec)

    def _mapped(self, data: tf.data.Dataset) -> tf.data.Dataset:
        if self.map == "no":
            return data
        table = tf.lookup.StaticHashTable(
            tf.lookup.KeyValueTensorInitializer(tf.range(2, dtype=tf.int64), tf.constant([0.5, 1.5])), 0.0
        )

        def changed(leaf: Any) -> Any:
            if not leaf.dtype.is_floating:
                return leaf
            if self.map == "random":
                return leaf + tf.random.normal([], stddev=0.3, dtype=leaf.dtype)
            return leaf * (table.lookup(tf.constant(1, tf.int64)) if self.map == "table" else 0.5)

        return data.map(
            lambda *parts: (
                tuple(tf.nest.map_structure(changed, part) for part in parts)
                if parts[1:]
                else tf.nest.map_structure(changed, parts[0])
            ),
            num_parallel_calls=2 if self.map == "parallel" else None,
        )

    def _batched(self, data: tf.data.Dataset) -> tf.data.Dataset:
        data = data.batch(self.batch_size, drop_remainder=self.drop_remainder)
        if self.structure == "ragged":
            return data.map(lambda x, y: (tf.RaggedTensor.from_tensor(x), y))
        return data.map(lambda x, y: (tf.sparse.from_dense(x), y)) if self.structure == "sparse" else data

    def arrays(self) -> Any:
        """The samples, nested as the batches are."""
        draws = np.random.default_rng(0)
        x = draws.normal(size=(NUM_SAMPLES, 6)).astype("float32")
        y = (x[:, 0] > 0).astype("int64")
        weight = draws.uniform(0.1, 2, NUM_SAMPLES).astype("float32")
        found: dict[str, Any] = {
            "x": x,
            "weights": (x, y, weight),
            "dict": ({"a": x, "b": x[:, :2]}, y),
            "two inputs": ((x, x[:, :2]), y),
            "two outputs": (x, {"kind": y, "size": x[:, :1]}),
            "texts": (np.array(["good", "bad", "bad good"])[y + (x[:, 1] > 0)][:, None], y),
        }
        return found.get(self.structure, (x, y))

    @property
    def options(self) -> dict[str, Any]:
        """Arguments of `fit` beside the data."""
        in_epoch = NUM_SAMPLES // self.batch_size + (NUM_SAMPLES % self.batch_size > 0 and not self.drop_remainder)
        steps = {"repeated": in_epoch // 2 + 1, "fewer": in_epoch // 2 + 1, "too many": in_epoch + 1}.get(self.steps)
        return ({} if steps is None else {"steps_per_epoch": steps}) | (
            {"validation_steps": 2} if self.validation in ("steps", "repeated") else {}
        )

    def data(self) -> TrainingData:
        """All data of a search."""
        plain = {"steps": "all", "shuffle": "no", "map": "no", "cache": "no"}
        plain |= {} if self.steps == "all" else {"length": "known"}
        held = RandomPipeline(**{**asdict(self), **plain})
        validation: Any = held.dataset()
        if self.validation == "arrays" and self.structure not in ("ragged", "sparse", "texts"):
            validation = self.arrays()
        elif self.validation == "repeated":
            validation = validation.repeat()
        elif self.validation == "arrays":
            validation = validation.cache()
        options = {
            n: v for n, v in self.options.items() if n != "validation_steps" or isinstance(validation, tf.data.Dataset)
        }
        weights = {0: 0.5, 1: 2.0} if self.class_weight else None
        return training_data(
            self.dataset(),
            validation_data=validation,
            test_data=held.dataset(),
            class_weight=weights,
            fit_options=options,
        )

    def build(self, hp: Any) -> keras.Model:  # noqa: ARG002  a build function takes them
        """The compiled model."""
        inputs, hidden = self._inputs()
        layers = keras.layers
        hidden = layers.Dense(5, use_bias=False)(hidden)
        if self.model == "normalized":
            hidden = layers.Dropout(0.3)(layers.BatchNormalization()(hidden))
        hidden = layers.Activation("tanh")(hidden)
        loss: Any = "sparse_categorical_crossentropy"
        metrics: Any = ["accuracy"]
        outputs: Any = layers.Dense(2, activation="softmax")(hidden)
        if self.structure == "x":
            outputs = layers.ActivityRegularization(l2=0.1)(layers.Dense(6)(hidden))
            loss, metrics = None, None
        if self.structure == "two outputs":
            outputs = {
                "kind": layers.Dense(2, activation="softmax", name="kind")(hidden),
                "size": layers.Dense(1, name="size")(hidden),
            }
            loss, metrics = {"kind": loss, "size": "mse"}, {"kind": ["accuracy"], "size": ["mae"]}
        kind = {"own step": OwnStep, "subclass": Subclass}.get(self.model, keras.Model)
        model = kind(inputs, outputs)
        model.compile(keras.optimizers.Adam(0.01), loss, metrics=metrics, weighted_metrics=metrics and _copied(metrics))
        return model

    def _inputs(self) -> Any:
        layers = keras.layers
        if self.structure == "dict":
            parts = {"a": keras.Input((6,), name="a"), "b": keras.Input((2,), name="b")}
            return parts, layers.concatenate(list(parts.values()))
        if self.structure == "two inputs":
            pair = (keras.Input((6,)), keras.Input((2,)))
            return pair, layers.concatenate(list(pair))
        if self.structure == "texts":
            text = keras.Input((1,), dtype="string")
            numbers = layers.TextVectorization(vocabulary=["good", "bad"], output_sequence_length=3)(text)
            return text, layers.Flatten()(layers.Embedding(4, 3)(numbers))
        x = keras.Input((6,), sparse=self.structure == "sparse", ragged=self.structure == "ragged")
        return x, layers.Lambda(lambda x: x.to_tensor(shape=(None, 6)), output_shape=(6,))(
            x
        ) if self.structure == "ragged" else x


def _copied(metrics: Any) -> Any:
    return keras.tree.map_structure(
        lambda name: {"accuracy": "sparse_top_k_categorical_accuracy"}.get(name, "mse"), metrics
    )


class OwnStep(keras.Model):
    """A model with a `train_step` of its own and a log that is no metric."""

    def train_step(self, data: Any) -> dict[str, Any]:
        x = keras.utils.unpack_x_y_sample_weight(data)[0]
        logs = super().train_step(data)
        return {**logs, "more": {"size": tf.shape(keras.tree.flatten(x)[0])[0]}}


class Subclass(keras.Model):
    """A subclass without steps of its own."""


def drawn_pipelines(count: int) -> list[RandomPipeline]:
    """Draws pipelines that `fit` takes, the same ones each time."""
    draws = np.random.default_rng(16)
    found: list[RandomPipeline] = []
    while len(found) < count:
        values = {name: options[draws.integers(len(options))] for name, options in CHOICES.items()}
        has_one_target = values["structure"] in ("x and y", "dict", "two inputs", "texts", "ragged", "sparse")
        values["class_weight"] = values["class_weight"] and has_one_target
        if values["steps"] in ("fewer", "too many"):
            values["length"] = "known"  # with an unknown one, fit trains epochs without any batch
            if values["steps"] == "fewer" and (values["cache"] == "after the shuffle" or values["map"] == "random"):
                continue  # such a cache is never complete, and a map gets other seeds in the middle of an epoch of fit
        found.append(RandomPipeline(**values))
    return found


def check(pipeline: RandomPipeline) -> str:
    """Trains a pipeline in two executions and in `fit`.

    Returns:
        What happened: `equal`, or `not trained by fit` with the error.

    Raises:
        AssertionError: An execution failed, or its history is another one.
    """
    faulthandler.dump_traceback_later(LIMIT_SECONDS, exit=True)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _check(pipeline)
    finally:
        faulthandler.cancel_dump_traceback_later()


def _check(pipeline: RandomPipeline) -> str:
    data = pipeline.data()
    keras.utils.set_random_seed(SEED)
    try:
        expected = _fit(pipeline, data)
    except Exception as error:  # noqa: BLE001  whatever it is, it is not ours
        return f"not trained by fit: {type(error).__name__}: {str(error)[:200]}"
    executions = Executions(pipeline.build, data, Objective("val_loss", Direction.MIN), seed=SEED)
    for number in range(2):
        trained = executions.run(ExecutionRequest(str(number), 1, SEED, EPOCHS, {}))
        assert trained.record.status is Status.COMPLETED, trained.record.reason
        assert trained.record.trainer == "compiled"
        assert sorted(trained.record.history) == sorted(expected)
        for name, values in expected.items():
            np.testing.assert_allclose(
                trained.record.history[name], values, atol=TOLERANCE, rtol=TOLERANCE, err_msg=name
            )
    return "equal"


def _fit(pipeline: RandomPipeline, data: TrainingData) -> dict[str, list[float]]:
    """`model.fit` on the data set with its seeds; random operations in a map get other seeds in each epoch."""
    assert data.pipeline is not None
    made = data.pipeline.with_seed(SEED)
    model = build_model(pipeline.build, keras_tuner.HyperParameters(), SEED)
    if data.pipeline.cardinality is None and pipeline.steps == "all":
        model.steps_per_execution = 2
    options = {"validation_data": data.validation, "class_weight": data.class_weight, "verbose": 0, **data.fit_options}
    if made(0) is made(0) or pipeline.steps == "repeated":
        return dict(model.fit(made(0), epochs=EPOCHS, **options).history)
    histories = [model.fit(made(e), epochs=e + 1, initial_epoch=e, **options).history for e in range(EPOCHS)]
    return {name: [history[name][0] for history in histories] for name in histories[0]}


def main() -> None:
    """Checks the pipelines, prints what is not equal and writes the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pipelines", type=int, default=100)
    parser.add_argument("--only", type=int, nargs="+", help="numbers of those to check; nothing is written")
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results" / "random_pipelines.json")
    arguments = parser.parse_args()
    pipelines, outcomes, unlike = drawn_pipelines(arguments.pipelines), Counter[str](), []
    for number in arguments.only or range(arguments.pipelines):
        try:
            outcome, problem = check(pipelines[number]).partition(":")[::2]
        except Exception as error:  # noqa: BLE001  to count it, and to try the others
            outcome, problem = "WRONG", f"{type(error).__name__}: {' '.join(str(error).split())[:600]}"
        outcomes[outcome] += 1
        if outcome != "equal":
            unlike.append(
                {"number": number, "outcome": outcome, "problem": problem, "pipeline": asdict(pipelines[number])}
            )
            print(number, outcome, problem, pipelines[number], flush=True)
    print(dict(outcomes))
    if not arguments.only:
        versions = {"python": platform.python_version(), "keras": keras.__version__, "tensorflow": tf.__version__}
        result = {"question": __doc__.splitlines()[0], "versions": versions, "date": time.strftime("%Y-%m-%d")}
        result |= {"pipelines": arguments.pipelines, "outcomes": dict(outcomes), "unlike": unlike}
        arguments.output.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
