"""The data of a search as executions use it: placed once, with what `model.fit` would be called with."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import tensorflow as tf

from actsearch.training.compiled import Batch, Tensors, to_tensors

MAX_BYTES_IN_MEMORY = 2_000_000_000


@dataclass(frozen=True)
class TrainingData:
    """Training, validation and test data.

    Args:
        x, y: Arrays, or nested structures of them, of n samples; or a `tf.data.Dataset` or `keras.utils.PyDataset`
            as `x` with `y` None.
        validation, test: `(x, y)` or `(x, y, sample_weight)`, or a data set; None where there is none.
        sample_weight: Array of n, or None.
        class_weight: Weight of each class by its number, or None.
        fit_options: Further arguments for `model.fit`; with any of them `model.fit` trains.
    """

    x: Any
    y: Any = None
    validation: Any = None
    test: Any = None
    sample_weight: Any = None
    class_weight: Mapping[int, float] | None = None
    fit_options: Mapping[str, Any] = field(default_factory=dict)

    def tensors(self) -> Tensors | None:
        """Train, validation and test data on the device; None where the data is not arrays, or too large for that."""
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
    """Weights of classes as weights of samples, as `model.fit` turns them."""
    if class_weight is None:
        return sample_weight
    labels = np.asarray(y)
    labels = labels.argmax(-1) if labels.ndim == 2 and labels.shape[1] > 1 else labels.reshape(len(labels))
    weights = np.array([class_weight.get(int(label), 1.0) for label in labels], dtype="float32")
    return weights if sample_weight is None else weights * np.asarray(sample_weight)
