"""Divisions: the data of each execution of a search that divides its data itself."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from actsearch.data.arrays import SHARES, leaves, take
from actsearch.data.rows import Rows
from actsearch.data.splits import Indices, Splits
from actsearch.data.target import classes_of
from actsearch.errors import DataError

Part = tuple[Any, ...]


@dataclass(frozen=True, eq=False)
class Divided:
    """The data of one execution.

    Args:
        train, validation: `(x, y)` or `(x, y, sample_weight)`; y may be None.
        test: As `train`, or x or a data set; None if there is none.
        validation_ids, test_ids: Which samples of the undivided data are in the parts, shape (samples of the part,);
            None for test data that was not divided.
    """

    train: Part
    validation: Part
    test: Any
    validation_ids: Indices
    test_ids: Indices | None = None


class Division(Protocol):
    """Divides data for an execution: `division(execution)`."""

    @property
    def splits(self) -> Splits:
        """Which samples are in which part."""

    @property
    def fingerprint(self) -> str:
        """Hash of the undivided data."""

    def __call__(self, execution: int) -> Divided:
        """Returns the data of an execution."""


@dataclass(frozen=True, eq=False)
class ArrayDivision:
    """Divides arrays that are passed from Python, which are not scaled.

    Args:
        x, y: The undivided data, as `check_arrays` returns them; y may be None.
        splits: Which samples are in which part.
        fingerprint: Hash of the undivided data.
        test: Test data, if it is given; else it is divided off as well.
        batch_size: Number of samples in a batch if the model fixes it: each part has whole batches.
        weight: The weight of each sample, nested like y; None for no weights.

    Example:

    >>> data = np.arange(10.0)
    >>> divided = ArrayDivision(data, data % 2, Splits("each", 10, seed=0), "")(execution=1)
    >>> len(divided.train[0]), divided.test[0].tolist() == divided.test_ids.tolist()
    (6, True)
    """

    x: Any
    y: Any
    splits: Splits
    fingerprint: str
    test: Any = None
    batch_size: int | None = None
    weight: Any = None

    def __call__(self, execution: int) -> Divided:
        """Returns the data of an execution."""
        train, validation, *test = (self._whole(part) for part in self.splits(execution))
        given = self.test if self.test is not None or not test else self._part(test[0])
        return Divided(self._part(train), self._part(validation), given, validation, test[0] if test else None)

    def _part(self, indices: Indices) -> Part:
        weights = () if self.weight is None else (take(self.weight, indices),)
        return take(self.x, indices), take(self.y, indices), *weights

    def _whole(self, indices: Indices) -> Indices:
        size = self.batch_size
        if size is None:
            return indices
        if len(indices) < size:
            raise DataError(
                f"The model takes batches of {size:,} samples, but a part of the divided data has only "
                f"{len(indices):,}. Pass more data, or divide it yourself and pass validation_data."
            )
        return indices[: len(indices) - len(indices) % size]


def shares_of(*, test_is_given: bool) -> tuple[float, ...]:
    """Returns the sizes of the parts that are divided: the test part is not, if it is given."""
    return (1.0 - SHARES[1], SHARES[1]) if test_is_given else SHARES


def num_samples_of(x: Any) -> int:
    """Returns the number of samples in nested arrays."""
    return len(next(array for _, array in leaves(x, "x")))


def strata_of(y: Any) -> Any:
    """Returns the classes to stratify by; None for a quantity, several targets or none."""
    return (
        None if y is None or isinstance(y, Mapping | list | tuple | Rows) else classes_of(np.asarray(y), certain=False)
    )
