"""The target: whether it holds classes or a quantity, and how it is handed to Keras."""

from dataclasses import dataclass

import numpy as np

from actsearch._typing import Array
from actsearch.errors import DataError, UnknownNameError
from actsearch.records import Task

MAX_GUESSED_CLASSES = 20


@dataclass(frozen=True, eq=False)
class Target:
    """What was found in the target of the training part.

    Args:
        task: Classes or a quantity.
        values: The classes in their order; empty in a regression.
        found: Whether the task was found from the target, or asked for.
    """

    task: Task
    values: Array
    found: bool

    @property
    def num_classes(self) -> int | None:
        """Number of classes; None in a regression."""
        return None if self.task is Task.REGRESSION else len(self.values)

    @property
    def class_names(self) -> tuple[str, ...] | None:
        """The classes as text; None in a regression."""
        if self.task is Task.REGRESSION:
            return None
        return tuple(f"{v:g}" if self.values.dtype.kind == "f" else str(v) for v in self.values)

    def encode(self, y: Array, place: str) -> Array:
        """Class numbers (int32, one axis), or the quantity (float64, one column).

        Raises:
            DataError: A class that the training part does not have.
        """
        if self.task is Task.REGRESSION:
            return y.astype(np.float64).reshape(-1, 1)
        codes = np.searchsorted(self.values, y).clip(0, len(self.values) - 1)
        unknown = np.unique(y[self.values[codes] != y])
        if unknown.size:
            raise DataError(f"{place} has the class {unknown[0]!s}, which the training part does not have.")
        return codes.astype(np.int32)

    def __str__(self) -> str:
        """The task in words, with where it comes from."""
        words = {Task.BINARY: "two classes", Task.REGRESSION: "regression"}
        told = words.get(self.task, f"multi-class ({len(self.values)} classes)")
        return f"{told} {'found from the target' if self.found else 'as asked for'}"


def find_target(y: Array, task: str | None, place: str) -> Target:
    """Finds the task from the target's values, or checks the one that was asked for.

    Text, booleans and whole numbers with few values are classes (at most 20 values, or exactly 0 ... k − 1);
    so are 0.0 and 1.0. All else is a quantity.

    Args:
        y: One value for each sample, as `one_value_each` returns it.
        task: A `Task` by name; None to find it.
        place: What the messages call the target.

    Raises:
        UnknownNameError: No task of that name.
        DataError: The target does not fit the task that was asked for.

    Example:

    >>> print(find_target(np.array(["cat", "dog", "cat"]), None, "y"))
    two classes found from the target
    >>> print(find_target(np.array([0.5, 1.5, 2.5]), None, "y"))
    regression found from the target
    """
    if task is not None and task not in list(Task):
        raise UnknownNameError("task", task, map(str, Task))
    values = np.unique(y)
    if task is None:
        kind = Task.REGRESSION
        if looks_like_classes(y):
            kind = Task.BINARY if len(values) == 2 else Task.MULTICLASS
        return Target(kind, values if kind is not Task.REGRESSION else values[:0], found=True)
    if task == Task.REGRESSION:
        if y.dtype.kind not in "biuf":
            raise DataError(f"{place} holds text, such as {y[0]!s}; a regression needs numbers. Leave the task out.")
        return Target(Task.REGRESSION, values[:0], found=False)
    if task == Task.BINARY and len(values) != 2:
        raise DataError(
            f"{place} has {len(values):,} different values; binary needs two. Use multiclass or regression."
        )
    return Target(Task(task), values, found=False)


def looks_like_classes(y: Array) -> bool:
    """Whether values, one for each sample, are classes rather than a quantity."""
    if y.dtype.kind not in "iuf":
        return True
    values = np.unique(y)
    if y.dtype.kind == "f":
        return bool(np.isin(values, (0.0, 1.0)).all())
    numbered = len(values) * 5 <= len(y) and (values == np.arange(len(values))).all()
    return bool(numbered) or len(values) <= min(MAX_GUESSED_CLASSES, len(y) // 2)


def one_value_each(y: Array, place: str) -> Array:
    """The target with one axis: a single column loses its axis, a one-hot row becomes its class's number.

    Raises:
        DataError: Several values for each sample that are not one-hot.

    Example:

    >>> one_value_each(np.array([[0, 1], [1, 0]]), "y")
    array([1, 0])
    """
    if y.ndim == 1:
        return y
    if y.ndim == 2 and y.shape[1] == 1:
        return y[:, 0]
    if _is_one_hot(y):
        return y.argmax(axis=1)
    raise DataError(
        f"{place} has the shape {y.shape}: one label, one number or one one-hot row for each sample is "
        "expected. For several outputs pass arrays and a model of your own to actsearch.search."
    )


def classes_of(y: Array, *, certain: bool) -> Array | None:
    """What to stratify by: the classes in a target; None where it holds none, or is no simple target.

    Args:
        y: The target, of any shape.
        certain: Whether it is known to hold classes.
    """
    if not (y.ndim == 1 or (y.ndim == 2 and y.shape[1] == 1) or _is_one_hot(y)):
        return None
    labels = one_value_each(y, "y")
    return labels if certain or looks_like_classes(labels) else None


def _is_one_hot(y: Array) -> bool:
    if y.ndim != 2 or y.dtype.kind not in "biuf" or y.shape[1] < 2:
        return False
    return bool(np.isin(y, (0, 1)).all() and (y.sum(axis=1) == 1).all())
