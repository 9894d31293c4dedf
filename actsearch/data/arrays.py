"""Arrays from a Python caller: checked, hashed and divided; several inputs in a dict, list or tuple too."""

import hashlib
import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from actsearch._typing import Array
from actsearch.data.target import classes_of
from actsearch.errors import DataError
from actsearch.records import Task

SHARES = (0.6, 0.2, 0.2)
_NUMERIC = "biuf"


def check_arrays(x: Any, y: Any, *, name: str = "data") -> tuple[Any, Any]:
    """Checks features and target as a caller of the Python API gives them, and makes NumPy arrays of them.

    Args:
        x: Array-like of shape (samples, ...), or a dict, list or tuple of arrays, one for each input.
        y: Array-like of shape (samples, ...); nested in the same way for a model with several outputs.
        name: What the messages call the data.

    Returns:
        `(x, y)`, nested as they came.

    Raises:
        DataError: Missing or infinite values, lengths that differ, no samples, a target that is the same for
            every sample, or something that is no array of numbers.

    Example:

    >>> x, y = check_arrays({"image": [[0.0], [0.5]], "age": [30, 50]}, [0, 1])
    >>> x["age"]
    array([30, 50])
    """
    x, y = _arrays(x, f"{name}: x", text=True), _arrays(y, f"{name}: y", text=False)
    named: list[tuple[str, Array]] = []
    for data, which in [(x, "x"), (y, "y")]:
        leaves = [(f"{name}: {place}", array) for place, array in _leaves(data, which)]
        if not leaves:
            raise DataError(f"{name}: {which} holds no array.")
        named.extend(leaves)
    for place, array in named:
        check_finite(array, place)
    check_lengths(named, many=isinstance(x, list | tuple) and len(x) > 2)
    if isinstance(y, np.ndarray):
        check_varies(y, f"{name}: y")
    return x, y


def split_arrays(
    x: Any, y: Any, *, seed: int, task: Task | None = None, shares: tuple[float, ...] = SHARES
) -> tuple[tuple[Any, Any], ...]:
    """Divides samples at random; each part has the classes in the same shares.

    Args:
        x, y: As `check_arrays` returns them.
        seed: The same seed gives the same parts.
        task: `Task.REGRESSION` divides without regard to the target. If left out, a target that looks like
            classes (see `find_target`) is taken as classes.
        shares: The size of each part; together 1.

    Returns:
        `(x, y)` of each part, in the order of `shares`.

    Raises:
        DataError: Too few samples, or too few of a class, for each part to have some.

    Example:

    >>> parts = split_arrays(np.arange(10.0), np.array([0, 1] * 5), seed=0)
    >>> [len(y) for _, y in parts]
    [6, 2, 2]
    """
    first = next(array for _, array in _leaves(x, "x"))
    labels = None
    if isinstance(y, np.ndarray) and task is not Task.REGRESSION:
        labels = classes_of(y, certain=task is not None)
    parts = split_indices(len(first), seed=seed, labels=labels, shares=shares)
    return tuple((_take(x, part), _take(y, part)) for part in parts)


def split_indices(
    num_samples: int, *, seed: int, labels: Array | None = None, shares: tuple[float, ...] = SHARES
) -> list[NDArray[np.intp]]:
    """Indices of the samples in each part, stratified by `labels` where they are given.

    Raises:
        DataError: Too few samples, or too few of a class, for each part to have some.
    """
    from sklearn.model_selection import train_test_split

    needed = math.ceil(1 / min(shares) - 1e-9)
    if num_samples < needed:
        raise DataError(
            f"{num_samples} samples are too few to divide into {len(shares)} parts; at least {needed} are needed."
        )
    if labels is not None:
        _check_classes(labels, needed, len(shares))
    rest = np.arange(num_samples)
    parts: list[NDArray[np.intp]] = []
    for share in reversed(shares[1:]):
        size = math.ceil(share * num_samples - 1e-9)
        strata = None if labels is None else labels[rest]
        rest, part = train_test_split(rest, test_size=size, random_state=seed % 2**32, stratify=strata)
        parts.append(part)
    return [rest, *reversed(parts)]


def fingerprint(*arrays: Any) -> str:
    """SHA-256 over values, shapes and types, and over the keys of nested arrays; the same in every process.

    Example:

    >>> fingerprint(np.zeros(2)) == fingerprint(np.zeros(2))
    True
    >>> fingerprint(np.zeros(2)) == fingerprint(np.zeros(3))
    False
    """
    digest = hashlib.sha256()
    for place, array in _leaves(tuple(_arrays(a, "array", text=True) for a in arrays), ""):
        text = array.dtype.kind not in _NUMERIC
        digest.update(f"{place}|{'text' if text else array.dtype.str}|{array.shape}|".encode())
        digest.update(repr(array.tolist()).encode() if text else np.ascontiguousarray(array).data)
    return digest.hexdigest()


def check_finite(array: Array, place: str) -> None:
    """Refuses NaN and infinity, and says how many samples have some and where the first is.

    Raises:
        DataError: There are some.
    """
    if array.dtype.kind != "f" or np.isfinite(array).all():
        return
    for what, bad in [("missing values (NaN)", np.isnan(array)), ("infinite values", np.isinf(array))]:
        if bad.any():
            samples = bad.reshape(len(bad), -1).any(axis=1).sum()
            raise DataError(
                f"{place} has {what} in {samples:,} of {len(array):,} samples, the first at index "
                f"{np.argwhere(bad)[0].tolist()}. Fill them in or leave these samples out."
            )


def check_lengths(named: list[tuple[str, Array]], *, many: bool = False) -> None:
    """Refuses arrays that do not have the same number of samples, or have none.

    Raises:
        DataError: Lengths differ or are 0.
    """
    lengths = {place: len(array) for place, array in named}
    if len(set(lengths.values())) > 1:
        (first, size), *others = lengths.items()
        other = next((place, length) for place, length in others if length != size)
        hint = " A list of arrays means several inputs; if they are samples, join them with np.stack." if many else ""
        raise DataError(
            f"{first} has {size:,} samples, but {other[0].rpartition(': ')[2]} has {other[1]:,}; "
            f"they must have the same number.{hint}"
        )
    if not next(iter(lengths.values())):
        raise DataError(f"{named[0][0]} has no samples.")


def check_varies(y: Array, place: str) -> None:
    """Refuses a target that is the same for every sample.

    Raises:
        DataError: It is.
    """
    if (y == y[:1]).all():
        value = f"{y.ravel()[0]}" if y.size == len(y) else "equal"
        raise DataError(
            f"{place} is {value} for all {len(y):,} samples: there is nothing to learn. Is it the right one?"
        )


def _arrays(data: Any, place: str, *, text: bool) -> Any:
    """Nested NumPy arrays of a kind that Keras takes."""
    if isinstance(data, Mapping):
        return {key: _arrays(value, f"{place}[{key!r}]", text=text) for key, value in data.items()}
    if isinstance(data, list | tuple) and any(map(_is_nested, data)):
        items = [_arrays(item, f"{place}[{i}]", text=text) for i, item in enumerate(data)]
        return tuple(items) if isinstance(data, tuple) else items
    try:
        array = np.asarray(data)
    except (ValueError, TypeError) as error:
        raise DataError(f"{place} is no array: its rows differ in length or kind.") from error
    if not array.ndim:
        kind = type(data).__name__
        raise DataError(f"{place} is a {kind}; expected an array with the samples along its first axis.")
    if array.dtype.kind in _NUMERIC or (text and _is_text(array)):
        return array
    if _is_text(array):
        raise DataError(f"{place} holds text; number the classes from 0, as sklearn's LabelEncoder does.")
    kind = type(array.ravel()[0]).__name__ if array.dtype.kind == "O" and array.size else str(array.dtype)
    raise DataError(f"{place} holds values of the type {kind}; expected numbers.")


def _is_nested(item: Any) -> bool:
    return isinstance(item, Mapping) or bool(getattr(item, "shape", ()))


def _is_text(array: Array) -> bool:
    return array.dtype.kind in "US" or (array.dtype.kind == "O" and all(isinstance(v, str) for v in array.flat))


def _leaves(data: Any, place: str) -> Iterator[tuple[str, Array]]:
    """Each array with the place where it stands."""
    if isinstance(data, np.ndarray):
        yield place, data
        return
    items = sorted(data.items(), key=str) if isinstance(data, Mapping) else enumerate(data)
    for key, value in items:
        yield from _leaves(value, f"{place}[{key!r}]")


def _take(data: Any, indices: NDArray[np.intp]) -> Any:
    """These samples of each array."""
    if isinstance(data, np.ndarray):
        return data[indices]
    if isinstance(data, Mapping):
        return {key: _take(value, indices) for key, value in data.items()}
    taken = [_take(value, indices) for value in data]
    return tuple(taken) if isinstance(data, tuple) else taken


def _check_classes(labels: Array, needed: int, num_parts: int) -> None:
    classes, counts = np.unique(labels, return_counts=True)
    rare = [f"{label} ({count})" for label, count in zip(classes, counts, strict=True) if count < needed]
    if rare:
        shown = ", ".join(rare[:5]) + ", ..." * (len(rare) > 5)
        quantity = " For a quantity ask for the task regression." * (labels.dtype.kind in "iuf")
        raise DataError(
            f"Too few samples in {len(rare):,} of {len(classes):,} classes: {shown}. At least {needed} of each "
            f"are needed for {num_parts} parts that all have them. Leave these classes out, join them, or give "
            f"the parts yourself.{quantity}"
        )
