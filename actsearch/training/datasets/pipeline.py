"""A `tf.data.Dataset` as executions use it: how many of its batches are an epoch, and with which seeds."""

from collections.abc import Hashable, Mapping
from functools import cached_property
from typing import Any
from weakref import WeakKeyDictionary

import keras
import numpy as np
import tensorflow as tf

from actsearch._private import class_weight_function, tensorflow_message
from actsearch.errors import DataError
from actsearch.training.datasets.seeding import Epochs, Seeding

MAX_BYTES_OF_SAMPLES = 100_000_000
_FIRST: WeakKeyDictionary[Any, Any] = WeakKeyDictionary()


def first_of(dataset: Any) -> Any:
    """Returns the first batch of a data set, which is read only once: it may fill a buffer or decode files.

    Args:
        dataset: A `tf.data.Dataset`, a `keras.utils.PyDataset`, or what else `model.fit` takes batches from.

    Raises:
        DataError: There is none, or TensorFlow cannot read it.
    """
    is_known = isinstance(dataset, tf.data.Dataset | keras.utils.PyDataset) and isinstance(dataset, Hashable)
    if is_known and dataset in _FIRST:
        return _FIRST[dataset]
    try:
        first = next(iter(dataset), None)
    except tf.errors.OpError as error:
        raise DataError(f"The first batch of the data set cannot be read: {tensorflow_message(error)}") from error
    if first is None:
        raise DataError("The data set is empty. Pass one with at least one batch.")
    if is_known:
        _FIRST[dataset] = first
    return first


class Pipeline:
    """A data set of batches.

    Args:
        dataset: The data set.
        name: The name of the data in messages.
        steps: Number of batches in an epoch; all if omitted.
        class_weight: Weight of each class by its number, if batches get weights by it.
        is_trained: Whether it is trained on: its randomness is seeded, and with a number of steps an epoch continues
            where the last one ended. Without, as in validation, each epoch begins with the first batch.
    """

    def __init__(
        self,
        dataset: tf.data.Dataset,
        name: str,
        *,
        steps: int | None = None,
        class_weight: Mapping[int, float] | None = None,
        is_trained: bool = False,
    ) -> None:
        self._dataset, self.name, self.steps, self.is_trained = dataset, name, steps, is_trained
        self._weigh = None if class_weight is None else class_weight_function(class_weight)

    @property
    def element_spec(self) -> Any:
        """The types and shapes of a batch."""
        return self._dataset.element_spec

    @cached_property
    def cardinality(self) -> int | None:
        """The number of batches; None if it is unknown or infinite."""
        number = int(self._dataset.cardinality())
        return number if number >= 0 else None

    @cached_property
    def seeding(self) -> Seeding:
        """Its randomness."""
        return Seeding(self._dataset)

    def with_seed(self, seed: int | None) -> Epochs:
        """Returns the data set of an execution as a function of the epoch."""
        if seed is None or not self.is_trained:
            return lambda epoch: self._dataset  # noqa: ARG005
        return self.seeding.with_seed(seed)

    def prepared(self, batch: Any) -> Any:
        """Returns a batch as `model.fit` hands it to `train_step`: with class weights, and None for optional parts."""
        if self._weigh is not None:
            batch = self._weigh(*batch) if isinstance(batch, tuple) else self._weigh(batch)
        return keras.tree.map_structure(lambda a: None if isinstance(a, tf.experimental.Optional) else a, batch)

    @property
    def first(self) -> Any:
        """The first batch, which is looked at without training on it."""
        return first_of(self._dataset)

    @property
    def x(self) -> Any:
        """The inputs of the first batch."""
        return keras.utils.unpack_x_y_sample_weight(self.first)[0]

    @property
    def num_in_batch(self) -> int:
        """The number of samples in the first batch."""
        return len_of(keras.tree.flatten(self.first)[0])

    @cached_property
    def samples(self) -> Any:
        """All samples of an epoch that begins with the first batch, nested like a batch.

        None if they have no fixed order, are too large to be kept, or are not dense.
        """
        fixed = not self.seeding.is_random and not self.seeding.problems
        specs = tf.nest.flatten(self.element_spec)
        if not fixed or not all(isinstance(spec, tf.TensorSpec) and spec.shape.rank for spec in specs):
            return None
        batches, num_bytes = [], 0
        for batch in self._dataset if self.steps is None else self._dataset.take(self.steps):
            leaves = [np.asarray(leaf) for leaf in tf.nest.flatten(batch)]
            num_bytes += sum(leaf.nbytes for leaf in leaves)
            if num_bytes > MAX_BYTES_OF_SAMPLES:
                return None
            batches.append(leaves)
        if any(one.shape[1:] != other.shape[1:] for row in batches for one, other in zip(row, batches[0], strict=True)):
            return None
        columns = [np.concatenate(column) for column in zip(*batches, strict=True)]
        return tf.nest.pack_sequence_as(self.element_spec, columns)

    def repeated(self) -> tf.data.Dataset:
        """Returns a data set without end of which each batch is the first."""
        variant = tf.data.experimental.to_variant(tf.data.Dataset.from_tensors(self.first).repeat())
        return tf.data.experimental.from_variant(variant, self.element_spec)


def len_of(tensor: Any) -> int:
    """Returns the number of samples in a tensor of any kind; 1 for a single number."""
    if isinstance(tensor, tf.RaggedTensor):
        return int(tensor.nrows())
    return int(tensor.shape[0] or 1) if len(tensor.shape) else 1
