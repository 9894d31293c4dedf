"""The data of a search as executions use it: checked once, with the arguments of `model.fit`."""

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from actsearch.data import Dataset, check_arrays, check_inputs, fingerprint
from actsearch.data.division import Divided, Division
from actsearch.data.rows import Rows, kept_in_place
from actsearch.errors import UsageError, did_you_mean
from actsearch.training.batches import Batches, is_generator, is_source, raw
from actsearch.training.datasets.array_stream import is_streamed, some_samples, stream, stream_of_epochs
from actsearch.training.datasets.pipeline import Pipeline, first_of
from actsearch.training.epochs import Tensors, to_tensors
from actsearch.training.sample_weights import checked_weight, weights_of_classes

MAX_BYTES = 2_000_000_000


@dataclass(frozen=True)
class TrainingData:
    """Training, validation and test data.

    Args:
        x, y: Arrays, or nested structures of them, of n samples; y is None for a model that learns without targets. Or
            a `tf.data.Dataset`, a `keras.utils.PyDataset` or `Batches` as `x` with `y` None.
        validation, test: x alone, `(x, y)` or `(x, y, sample_weight)`, or a data set; None if there is none.
        sample_weight: Array of n weights, or arrays nested like `y`, or None.
        class_weight: Weight of each class by its number, or None.
        fit_options: Other arguments of `model.fit`, which trains if there are any but the number of steps of a
            `tf.data.Dataset`.
        shuffle: Whether arrays are trained in another order in each epoch.
        division: Divides the data for each execution; this is the data of execution 1. None if all train on this data.
        ids: Which samples of the undivided data are in `validation` and `test`, under these names.
    """

    x: Any
    y: Any = None
    validation: Any = None
    test: Any = None
    sample_weight: Any = None
    class_weight: Mapping[int, float] | None = None
    fit_options: Mapping[str, Any] = field(default_factory=dict)
    shuffle: bool = True
    division: Division | None = None
    ids: Mapping[str, np.ndarray] = field(default_factory=dict)

    def at(self, execution: int) -> "TrainingData":
        """Returns the data of an execution."""
        if self.division is None or self.division.splits.number(execution) == 1:
            return self
        return self.with_parts(self.division(execution))

    def split_of(self, execution: int) -> int:
        """Returns the number of the split of an execution: executions with the same number have the same data."""
        return 1 if self.division is None else self.division.splits.number(execution)

    def with_parts(self, divided: Divided) -> "TrainingData":
        """Returns this data with the parts of a split."""
        ids = {"validation": divided.validation_ids, "test": divided.test_ids}
        train = zip(("x", "y", "sample_weight"), (*divided.train, None), strict=False)
        return replace(
            self,
            **dict(train),
            validation=without_none(divided.validation),
            test=without_none(divided.test),
            ids={name: part for name, part in ids.items() if part is not None},
        )

    def divided_by(self, division: Division) -> "TrainingData":
        """Returns the data of execution 1, and of the others by `at`; these are the undivided data."""
        return replace(self, division=division).with_parts(division(1))

    @classmethod
    def of(cls, data: Dataset) -> "TrainingData":
        """Returns the parts of a data set, and its division for other executions."""
        parts = (data.x_train, data.y_train, (data.x_val, data.y_val), (data.x_test, data.y_test))
        return cls(*parts, division=data.division, ids=data.ids)

    def tensors(self) -> Tensors | None:
        """Prepares the data for compiled epochs: arrays are copied to the device, data sets stay as they are.

        Returns:
            The data; None if some are neither, if arrays are too large and may not stay where they are, or if only
            `model.fit` takes an option.
        """
        parts = [self.x, self.y, self.sample_weight, self.validation, self.test]
        leaves = [leaf for leaf in tf.nest.flatten(parts) if leaf is not None]
        copied = [leaf for leaf in leaves if not isinstance(leaf, tf.data.Dataset | Rows)]
        if not all(isinstance(a, np.ndarray | tf.Tensor) for a in copied) or sum(map(_bytes, copied)) > MAX_BYTES:
            return None
        sources = {"x": self.x, "validation_data": self.validation}
        known = {_STEPS[name] for name, data in sources.items() if isinstance(data, tf.data.Dataset)}
        if not self.fit_options.keys() <= known:
            return None
        train = self.pipeline or to_tensors(packed((self.x, self.y, self.weight)))
        steps = self.fit_options.get("validation_steps")
        held = _part(self.validation, "validation_data", steps), _part(self.test, "test_data")
        return Tensors(train, *held, shuffle=self.shuffle)

    @cached_property
    def pipeline(self) -> Pipeline | None:
        """The training data if they are a data set."""
        if not isinstance(self.x, tf.data.Dataset):
            return None
        steps = self.fit_options.get("steps_per_epoch")
        return Pipeline(self.x, "x", steps=steps, class_weight=self.class_weight, is_trained=True)

    @property
    def remarks(self) -> list[str]:
        """What a reader of the results has to know of the data."""
        problems = self.pipeline.seeding.problems if self.pipeline else ()
        return [
            f"Trials may be trained on different data or in different orders, since {problem}." for problem in problems
        ]

    @property
    def are_arrays(self) -> bool:
        """Whether the training data are arrays, of which `model.fit` makes batches."""
        return isinstance(self.x, np.ndarray | Rows | tf.Tensor | list | tuple | dict)

    @property
    def weight(self) -> Any:
        """The sample weights of arrays, with those of the classes."""
        if self.class_weight is None or not self.are_arrays:
            return self.sample_weight
        weights = weights_of_classes(self.y, self.class_weight)
        return weights if self.sample_weight is None else weights * np.asarray(self.sample_weight)

    def probe(self) -> tuple[Any, Any]:
        """Returns x and y that can be looked at: arrays, some samples of large ones, or the first batch of others."""
        if is_streamed((self.x, self.y)):
            x, y = some_samples((self.x, self.y))
            return x, y
        if self.are_arrays:
            return self.x, self.y
        x, y, _ = (
            self.x.parts() if isinstance(self.x, Batches) else keras.utils.unpack_x_y_sample_weight(first_of(self.x))
        )
        return x, y

    def for_fit(self, seed: int) -> Any:
        """Returns what `model.fit` takes as x in an execution: a generator of its own, or a data set with seeds."""
        if self.pipeline is None:
            return raw(self.x)
        return self.pipeline.seeding.for_fit(seed)

    def streamed(self, batch_size: int, seed: int) -> "TrainingData":
        """Returns data sets of these batches instead of arrays that are too large, ordered by the seed."""
        changes: dict[str, Any] = {
            name: stream(packed(part), batch_size)
            for name, part in (("validation", self.validation), ("test", self.test))
            if is_streamed(part)
        }
        if is_streamed((self.x, self.y)):
            x, num_batches = stream_of_epochs(packed((self.x, self.y, self.weight)), batch_size, seed, self.shuffle)
            options = {"steps_per_epoch": num_batches, **self.fit_options}
            changes |= {"x": x, "y": None, "sample_weight": None, "class_weight": None, "fit_options": options}
        return replace(self, **changes) if changes else self


def without_none(part: Any) -> Any:
    """Returns validation or test data without a y or weights that are None: `(x, None)` becomes x."""
    if not isinstance(part, tuple):
        return part
    x, y, weight = keras.utils.unpack_x_y_sample_weight(part)
    if y is None:
        return (x,) if isinstance(x, list | tuple) else x
    return (x, y) if weight is None else (x, y, weight)


def has_known_order(data: Any) -> bool:
    """Returns whether data are arrays, whose samples have the same numbers each time."""
    return all(isinstance(leaf, np.ndarray | Rows | tf.Tensor) for leaf in keras.tree.flatten(data))


def packed(data: Any) -> Any:
    """Returns what Keras hands to `train_step`: `(x, y)` or `(x, y, sample_weight)`, and a bare x without a y."""
    x, y, weight = keras.utils.unpack_x_y_sample_weight(data)
    return keras.utils.pack_x_y_sample_weight(x, y, weight)


def _part(data: Any, name: str, steps: int | None = None) -> Any:
    if isinstance(data, tf.data.Dataset):
        return Pipeline(data, name, steps=steps)
    return None if data is None else to_tensors(packed(data))


def _bytes(array: Any) -> int:
    return int(np.prod(array.shape)) * (array.dtype.itemsize if isinstance(array, np.ndarray) else array.dtype.size)


def training_data(
    x: Any,
    y: Any = None,
    *,
    validation_data: Any = None,
    test_data: Any = None,
    sample_weight: Any = None,
    class_weight: Mapping[int, float] | None = None,
    allow_nan_targets: bool = False,
    fit_options: Mapping[str, Any] | None = None,
    may_stay: bool = True,
) -> TrainingData:
    """Checks the data of a search.

    Args:
        x, y: Arrays of n samples, or nested structures of them; or a data set, a generator, or a function that returns
            a generator as `x` with `y` None.
        validation_data, test_data: x alone, `(x, y)` or `(x, y, sample_weight)`, or a data set.
        sample_weight: Array of n weights, or arrays nested like `y`.
        class_weight: Weight of each class by its number.
        allow_nan_targets: Whether targets may be NaN, for a loss that ignores them.
        fit_options: Other arguments of `model.fit`.
        may_stay: Whether arrays that are too large to be copied may stay where they are.

    Returns:
        The data.

    Raises:
        UsageError: The arrays do not match, or an argument would be ignored.
    """
    options = dict(fit_options or {})
    may_stay = may_stay and "validation_split" not in options
    check = partial(_checked, allow_nan_targets=allow_nan_targets, may_stay=may_stay)
    x = batches_of(x, "x", options)
    validation_data = batches_of(validation_data, "validation_data", options)
    if is_arrays(x):
        x, y = checked_arrays(x, y, "data", allow_nan_targets=allow_nan_targets)
        x, y = (kept_in_place(x), kept_in_place(y)) if may_stay else (x, y)
    data = TrainingData(
        x,
        y,
        check(validation_data, "validation_data"),
        check(test_data, "test_data"),
        checked_weight(sample_weight, y, is_arrays=is_arrays(x)),
        class_weight,
    )
    _check_ignored(data, options)
    _check_ends(data, options)
    if class_weight is not None and data.are_arrays:
        weights_of_classes(y, class_weight)
    in_order = data.are_arrays and options.get("shuffle") in (True, False) and options.pop("shuffle") is False
    return replace(data, fit_options=options, shuffle=not in_order)


def is_arrays(x: Any) -> bool:
    """Returns whether data are arrays or what NumPy can convert, rather than a data set or a generator."""
    return x is not None and not (
        isinstance(x, tf.data.Dataset | keras.utils.PyDataset) or is_source(x) or _is_foreign(x)
    )


def _is_foreign(x: Any) -> bool:
    """Whether another framework's loader makes the batches, which `model.fit` may take too."""
    return not hasattr(x, "shape") and not hasattr(x, "__array__") and not isinstance(x, list | tuple | Mapping)


def checked_arrays(x: Any, y: Any, name: str, *, allow_nan_targets: bool = False) -> tuple[Any, Any]:
    """Checks arrays as `check_arrays`; y may be None."""
    if y is None:
        return check_inputs(x, name=name), None
    return check_arrays(x, y, name=name, allow_nan_targets=allow_nan_targets)


_STEPS = {"x": "steps_per_epoch", "validation_data": "validation_steps"}


def batches_of(data: Any, name: str, options: Mapping[str, Any]) -> Any:
    """Makes `Batches` of a generator, or of a function that returns one; returns other data unchanged.

    Raises:
        UsageError: Nothing says how many of its batches are an epoch.
    """
    if not is_source(data):
        return data
    if options.get(_STEPS[name]) is None:
        what = "generator" if is_generator(data) else "function"
        raise UsageError(
            f"{name} is a {what}, and nothing says how many of its batches are an epoch. Pass {_STEPS[name]}=..., and "
            "let the generator yield batches without end."
        )
    return Batches(data, name)


def first_batch(x: Any, y: Any = None) -> Any:
    """Returns two samples, or the first batch of a data set, as `train_step` gets them."""
    if isinstance(x, Batches):
        return x.first()
    if not is_arrays(x):
        return first_of(x)
    return keras.tree.map_structure(
        lambda array: array[:2], packed(checked_arrays(x, y, "data", allow_nan_targets=True))
    )


def check_fixed_batch(data: TrainingData, fixed: int, batch_size: int) -> None:
    """Checks that a model with a fixed batch size gets only batches of this size.

    Raises:
        UsageError: It does not.
    """
    if not data.are_arrays:
        return
    if batch_size != fixed:
        raise UsageError(f"The model takes batches of {fixed} samples only, but batch_size is {batch_size}. Omit it.")
    for name, part in (("training", (data.x,)), ("validation", data.validation), ("test", data.test)):
        if part is None or not is_arrays(part):
            continue
        num_samples = len(_leaves(keras.utils.unpack_x_y_sample_weight(part)[0])[0])
        if num_samples % fixed:
            raise UsageError(
                f"The model takes batches of {fixed} samples only, but {num_samples:,} {name} samples are no multiple "
                f"of it. Pass {num_samples - num_samples % fixed:,}."
            )


def _check_ignored(data: TrainingData, options: Mapping[str, Any]) -> None:
    """Refuses arguments that `model.fit` would ignore or refuse for this kind of data."""
    if data.are_arrays:
        return
    kind = "generator" if isinstance(data.x, Batches) else "data set"
    if "shuffle" in options and not isinstance(data.x, keras.utils.PyDataset):
        raise UsageError(f"shuffle would be ignored: a {kind} determines its order. Shuffle there, and omit it.")
    if data.class_weight is not None and isinstance(data.x, Batches):
        raise UsageError("class_weight does not apply to a generator. Let it yield (x, y, sample_weight).")


def _check_ends(data: TrainingData, options: Mapping[str, Any]) -> None:
    """Refuses data sets without end of which nothing says how many batches are an epoch: it would never end.

    Raises:
        UsageError: There is one.
    """
    advice = {name: f"Pass {steps}=..." for name, steps in _STEPS.items() if options.get(steps) is None}
    advice["test_data"] = "Limit it with .take(number of batches)"
    for name, part in (("x", data.x), ("validation_data", data.validation), ("test_data", data.test)):
        if name in advice and isinstance(part, tf.data.Dataset) and part.cardinality() == tf.data.INFINITE_CARDINALITY:
            raise UsageError(f"{name} is a data set without end, so an epoch would never end. {advice[name]}.")


def check_fit_options(options: Mapping[str, Any], fit: Callable[..., Any], known: Iterable[str] = ()) -> None:
    """Refuses unknown keyword arguments of a search before anything is trained.

    Args:
        options: The keyword arguments for `fit`.
        fit: The `fit` method that would receive them.
        known: Other valid names, for the message.

    Raises:
        UsageError: `fit` does not accept an argument, or the argument would leave epochs without a score.
    """
    parameters = inspect.signature(fit).parameters
    takes_any = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())
    for name in options:
        if name == "validation_freq":
            raise UsageError("validation_freq would leave epochs without a score; every epoch is validated. Omit it.")
        if name not in parameters and not takes_any:
            names = sorted({*parameters, *known} - {"self"})
            raise UsageError(
                f"search() got an unexpected argument {name!r}.{did_you_mean(name, names)} Nothing was trained. "
                f"Known: {', '.join(names)}."
            )


def describe_data(data: TrainingData) -> dict[str, Any]:
    """Returns name and fingerprint of the data, for the ledger."""
    if data.division is not None:
        known = {"name": "arrays", "fingerprint": data.division.fingerprint, "num_training": len(_leaves(data.x)[0])}
        return known | ({"num_samples": data.division.splits.num_samples} if "test" in data.ids else {})
    if not data.are_arrays:
        return {"name": "generator" if isinstance(data.x, Batches) else type(data.x).__name__}
    parts = [(data.x, data.y), *(part for part in (data.validation, data.test) if isinstance(part, tuple))]
    hashes = [fingerprint(*(array for array in part if array is not None)) for part in parts]
    known = {"name": "arrays", "num_training": len(_leaves(data.x)[0])}
    return known | {"fingerprint": fingerprint(np.frombuffer("".join(hashes).encode(), "uint8"))}


def _leaves(data: Any) -> list[Any]:
    return list(keras.tree.flatten(data))


def _checked(data: Any, name: str, *, allow_nan_targets: bool, may_stay: bool) -> Any:
    """Checks validation or test data; those without y become a bare x."""
    if data is None or isinstance(data, Batches) or not is_arrays(data):
        return data
    stored = kept_in_place if may_stay else lambda part: part
    if not isinstance(data, tuple | list):
        return stored(check_inputs(data, name=name))
    if not 1 <= len(data) <= 3:
        raise UsageError(f"{name} must be x, (x, y) or (x, y, sample_weight); it has {len(data)} parts.")
    x, y, weight = keras.utils.unpack_x_y_sample_weight(tuple(data))
    x, y = checked_arrays(x, y, name, allow_nan_targets=allow_nan_targets)
    return without_none((stored(x), stored(y), checked_weight(weight, y)))
