"""The data of a search as executions use it: checked once, with the arguments of `model.fit`."""

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from actsearch.data import Dataset, check_arrays, check_inputs, fingerprint
from actsearch.data.division import Divided, Division
from actsearch.errors import UsageError, did_you_mean
from actsearch.training.batches import Batches, is_generator, is_source
from actsearch.training.epochs import Tensors, to_tensors
from actsearch.training.sample_weights import checked_weight, weights_of_classes

MAX_BYTES_IN_MEMORY = 2_000_000_000


@dataclass(frozen=True)
class TrainingData:
    """Training, validation and test data.

    Args:
        x, y: Arrays, or nested structures of them, of n samples; y is None for a model that learns without targets. Or
            a `tf.data.Dataset`, a `keras.utils.PyDataset` or `Batches` as `x` with `y` None.
        validation, test: x alone, `(x, y)` or `(x, y, sample_weight)`, or a data set; None if there is none.
        sample_weight: Array of n weights, or arrays nested like `y`, or None.
        class_weight: Weight of each class by its number, or None.
        fit_options: Other arguments of `model.fit`; if there are any, `model.fit` trains.
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
        return replace(
            self,
            x=divided.train[0],
            y=divided.train[1],
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
        """Copies training, validation and test data to the device; None if they are not arrays, or too large."""
        parts = [self.x, self.y, self.sample_weight, self.validation, self.test]
        arrays = [a for a in tf.nest.flatten(parts) if a is not None]
        if not all(isinstance(a, np.ndarray | tf.Tensor) for a in arrays) or self.fit_options:
            return None
        if sum(_bytes(a) for a in arrays) > MAX_BYTES_IN_MEMORY:
            return None
        train = to_tensors(packed((self.x, self.y, self.weight)))
        return Tensors(train, _optional(self.validation), _optional(self.test))

    @property
    def are_arrays(self) -> bool:
        """Whether the training data are arrays, of which `model.fit` makes batches."""
        return isinstance(self.x, np.ndarray | tf.Tensor | list | tuple | dict)

    @property
    def weight(self) -> Any:
        """The sample weights of arrays, with those of the classes."""
        if self.class_weight is None or not self.are_arrays:
            return self.sample_weight
        weights = weights_of_classes(self.y, self.class_weight)
        return weights if self.sample_weight is None else weights * np.asarray(self.sample_weight)

    @property
    def sources(self) -> list[Batches]:
        """The generators among the data."""
        return [data for data in (self.x, self.validation) if isinstance(data, Batches)]

    def probe(self) -> tuple[Any, Any]:
        """Returns x and y that can be looked at: the data, or the first batch of a generator."""
        return self.x.parts()[:2] if isinstance(self.x, Batches) else (self.x, self.y)


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
    return all(isinstance(leaf, np.ndarray | tf.Tensor) for leaf in keras.tree.flatten(data))


def packed(data: Any) -> Any:
    """Returns what Keras hands to `train_step`: `(x, y)` or `(x, y, sample_weight)`, and a bare x without a y."""
    x, y, weight = keras.utils.unpack_x_y_sample_weight(data)
    return keras.utils.pack_x_y_sample_weight(x, y, weight)


def _optional(data: Any) -> Any:
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

    Returns:
        The data.

    Raises:
        UsageError: The arrays do not match, or an argument would be ignored.
    """
    options = dict(fit_options or {})
    check = partial(_checked, allow_nan_targets=allow_nan_targets)
    x = batches_of(x, "x", options)
    validation_data = batches_of(validation_data, "validation_data", options)
    if is_arrays(x):
        x, y = checked_arrays(x, y, "data", allow_nan_targets=allow_nan_targets)
    data = TrainingData(
        x,
        y,
        check(validation_data, "validation_data"),
        check(test_data, "test_data"),
        checked_weight(sample_weight, y, is_arrays=is_arrays(x)),
        class_weight,
    )
    _check_ignored(data, options)
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
        return next(iter(x))
    return keras.tree.map_structure(
        lambda array: array[:2], packed(checked_arrays(x, y, "data", allow_nan_targets=True))
    )


def fixed_batch_size(model: keras.Model) -> int | None:
    """Returns the batch size that a model's inputs fix, as stateful recurrent layers need it; None if they do not."""
    inputs = keras.tree.flatten(getattr(model, "inputs", None) or [])
    sizes = {tensor.shape[0] for tensor in inputs if isinstance(tensor, keras.KerasTensor)}
    return sizes.pop() if len(sizes) == 1 else None


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


def _checked(data: Any, name: str, *, allow_nan_targets: bool) -> Any:
    """Checks validation or test data; those without y become a bare x."""
    if data is None or isinstance(data, Batches) or not is_arrays(data):
        return data
    if not isinstance(data, tuple | list):
        return check_inputs(data, name=name)
    if not 1 <= len(data) <= 3:
        raise UsageError(f"{name} must be x, (x, y) or (x, y, sample_weight); it has {len(data)} parts.")
    x, y, weight = keras.utils.unpack_x_y_sample_weight(tuple(data))
    x, y = checked_arrays(x, y, name, allow_nan_targets=allow_nan_targets)
    return without_none((x, y, checked_weight(weight, y)))
