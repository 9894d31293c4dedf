"""The data of a search as executions use it: checked once, with the arguments of `model.fit`."""

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import tensorflow as tf

from actsearch.data import check_arrays, fingerprint
from actsearch.errors import UsageError, did_you_mean
from actsearch.training.epochs import Batch, Tensors, to_tensors

MAX_BYTES_IN_MEMORY = 2_000_000_000


@dataclass(frozen=True)
class TrainingData:
    """Training, validation and test data.

    Args:
        x, y: Arrays, or nested structures of them, of n samples; or a `tf.data.Dataset` or `keras.utils.PyDataset`
            as `x` with `y` None.
        validation, test: `(x, y)` or `(x, y, sample_weight)`, or a data set; None if there is none.
        sample_weight: Array of n weights, or None.
        class_weight: Weight of each class by its number, or None.
        fit_options: Other arguments of `model.fit`; if there are any, `model.fit` trains.
    """

    x: Any
    y: Any = None
    validation: Any = None
    test: Any = None
    sample_weight: Any = None
    class_weight: Mapping[int, float] | None = None
    fit_options: Mapping[str, Any] = field(default_factory=dict)

    def tensors(self) -> Tensors | None:
        """Copies training, validation and test data to the device; None if they are not arrays, or too large."""
        parts = [self.x, self.y, self.sample_weight, self.validation, self.test]
        arrays = [a for a in tf.nest.flatten(parts) if a is not None]
        if not all(isinstance(a, np.ndarray | tf.Tensor) for a in arrays) or self.fit_options:
            return None
        if sum(_bytes(a) for a in arrays) > MAX_BYTES_IN_MEMORY:
            return None
        weight = _with_class_weight(self.y, self.sample_weight, self.class_weight)
        train = to_tensors((self.x, self.y, weight))
        return Tensors(train, _optional(self.validation), _optional(self.test))


def _optional(data: Any) -> Batch | None:
    return None if data is None else to_tensors(data)


def _bytes(array: Any) -> int:
    return int(np.prod(array.shape)) * (array.dtype.itemsize if isinstance(array, np.ndarray) else array.dtype.size)


def _with_class_weight(y: Any, sample_weight: Any, class_weight: Mapping[int, float] | None) -> Any:
    """Converts class weights to sample weights as `model.fit` does."""
    if class_weight is None:
        return sample_weight
    labels = np.asarray(y)
    labels = labels.argmax(-1) if labels.ndim == 2 and labels.shape[1] > 1 else labels.reshape(len(labels))
    weights = np.array([class_weight.get(int(label), 1.0) for label in labels], dtype="float32")
    return weights if sample_weight is None else weights * np.asarray(sample_weight)


def training_data(
    x: Any,
    y: Any,
    *,
    validation_data: Any = None,
    test_data: Any = None,
    sample_weight: Any = None,
    class_weight: Mapping[int, float] | None = None,
    fit_options: Mapping[str, Any] | None = None,
) -> TrainingData:
    """Checks the data of a search.

    Args:
        x, y: Arrays of n samples, or nested structures of them; or a data set as `x` with `y` None.
        validation_data, test_data: `(x, y)` or `(x, y, sample_weight)`, or a data set.
        sample_weight: Array of n weights.
        class_weight: Weight of each class by its number.
        fit_options: Other arguments of `model.fit`.

    Returns:
        The data.

    Raises:
        UsageError: The arrays do not match.
    """
    if y is not None:
        x, y = check_arrays(x, y)
        validation_data = _checked(validation_data, "validation_data")
        test_data = _checked(test_data, "test_data")
    weight = None if sample_weight is None else np.asarray(sample_weight)
    if weight is not None and y is not None and len(weight) != len(next(iter(_leaves(y)))):
        raise UsageError(
            f"sample_weight has {len(weight)} entries, but there are {len(next(iter(_leaves(y))))} samples. Pass one "
            "for each sample."
        )
    return TrainingData(x, y, validation_data, test_data, weight, class_weight, fit_options or {})


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
    if data.y is None:
        return {"name": type(data.x).__name__}
    parts = [(data.x, data.y), *(part for part in (data.validation, data.test) if isinstance(part, tuple))]
    hashes = [fingerprint(*(array for array in part if array is not None)) for part in parts]
    return {"name": "arrays", "fingerprint": fingerprint(np.frombuffer("".join(hashes).encode(), "uint8"))}


def _leaves(data: Any) -> list[Any]:
    import keras

    return list(keras.tree.flatten(data))


def _checked(data: Any, name: str) -> Any:
    if not isinstance(data, tuple | list):
        return data
    if len(data) not in (2, 3):
        raise UsageError(f"{name} must be (x, y) or (x, y, sample_weight); it has {len(data)} parts.")
    return (*check_arrays(data[0], data[1], name=name), *(np.asarray(part) for part in data[2:]))
