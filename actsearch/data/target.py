"""The target: whether it holds classes or a quantity, and how it is encoded for Keras."""

from dataclasses import dataclass

import numpy as np

from actsearch._typing import Array
from actsearch.errors import DataError, UnknownNameError
from actsearch.records import Task

MAX_GUESSED_CLASSES = 20


@dataclass(frozen=True, eq=False)
class Target:
    """The learning task and the classes, from the target of the training part.

    Args:
        task: Classification or regression.
        values: The classes in their order; empty for a regression.
        inferred: Whether the task was inferred from the target rather than requested.
    """

    task: Task
    values: Array
    inferred: bool

    @property
    def num_classes(self) -> int | None:
        """Number of classes; None for a regression."""
        return None if self.task is Task.REGRESSION else len(self.values)

    @property
    def class_names(self) -> tuple[str, ...] | None:
        """The classes as text; None for a regression."""
        if self.task is Task.REGRESSION:
            return None
        return tuple(f"{v:g}" if self.values.dtype.kind == "f" else str(v) for v in self.values)

    def encode(self, y: Array, place: str) -> Array:
        """Encodes a target as class numbers (int32, one axis) or as the quantity (float64, one column).

        Raises:
            DataError: `y` has a class that the training part does not have.
        """
        if self.task is Task.REGRESSION:
            return y.astype(np.float64).reshape(-1, 1)
        codes = np.searchsorted(self.values, y).clip(0, len(self.values) - 1)
        unknown = np.unique(y[self.values[codes] != y])
        if unknown.size:
            raise DataError(f"{place} has the class {unknown[0]!s}, which the training part does not have.")
        return codes.astype(np.int32)

    def __str__(self) -> str:
        """The task in words, and whether it was inferred or requested."""
        words = {Task.BINARY: "two classes", Task.REGRESSION: "regression"}
        task = words.get(self.task, f"multi-class ({len(self.values)} classes)")
        return f"{task} {'found from the target' if self.inferred else 'as asked for'}"


def find_target(y: Array, task: str | None, place: str) -> Target:
    """Infers the task from the target's values, or checks the requested task against them.

    Text, booleans, integers with few values (at most 20, or exactly 0 ... k − 1), and the floats 0.0 and 1.0 are
    classes. Everything else is a quantity.

    Args:
        y: One value for each sample, as `one_value_each` returns it.
        task: The name of a `Task`; None to infer it.
        place: The name of the target in error messages.

    Returns:
        The task and its classes.

    Raises:
        UnknownNameError: The name of the task is unknown.
        DataError: The target does not fit the requested task.

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
        return Target(kind, values if kind is not Task.REGRESSION else values[:0], inferred=True)
    if task == Task.REGRESSION:
        if y.dtype.kind not in "biuf":
            raise DataError(f"{place} holds text, such as {y[0]!s}; a regression needs numbers. Omit the task.")
        return Target(Task.REGRESSION, values[:0], inferred=False)
    if task == Task.BINARY and len(values) != 2:
        raise DataError(
            f"{place} has {len(values):,} different values; the task binary needs two. Use multiclass or regression."
        )
    return Target(Task(task), values, inferred=False)


def looks_like_classes(y: Array) -> bool:
    """Returns whether the values, one for each sample, are classes rather than a quantity."""
    if y.dtype.kind not in "iuf":
        return True
    values = np.unique(y)
    if y.dtype.kind == "f":
        return bool(np.isin(values, (0.0, 1.0)).all())
    numbered = len(values) * 5 <= len(y) and (values == np.arange(len(values))).all()
    return bool(numbered) or len(values) <= min(MAX_GUESSED_CLASSES, len(y) // 2)


def one_value_each(y: Array, place: str) -> Array:
    """Reduces a target to one axis: a single column is flattened, a one-hot row becomes the number of its class.

    Raises:
        DataError: There are several values for each sample, and they are not one-hot.

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
        f"{place} has the shape {y.shape}; expected one label, one number or one one-hot row for each sample. "
        "For several outputs, pass arrays and your own model to actsearch.search."
    )


def classes_of(y: Array, *, certain: bool) -> Array | None:
    """Returns the classes to stratify by; None if the target holds a quantity or several values for each sample.

    Args:
        y: The target, of any shape.
        certain: Whether the target is known to hold classes.
    """
    if not (y.ndim == 1 or (y.ndim == 2 and y.shape[1] == 1) or _is_one_hot(y)):
        return None
    labels = one_value_each(y, "y")
    return labels if certain or looks_like_classes(labels) else None


def _is_one_hot(y: Array) -> bool:
    if y.ndim != 2 or y.dtype.kind not in "biuf" or y.shape[1] < 2:
        return False
    return bool(np.isin(y, (0, 1)).all() and (y.sum(axis=1) == 1).all())
