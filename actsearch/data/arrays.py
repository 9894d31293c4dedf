"""Arrays passed from Python: checked, hashed and split. Several inputs may come in a dict, list or tuple."""

import hashlib
import math
import numbers
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from actsearch._typing import Array
from actsearch.data.rows import Rows, chunks_of
from actsearch.data.target import classes_of
from actsearch.errors import DataError
from actsearch.records import Task

SHARES = (0.6, 0.2, 0.2)
_NUMERIC = "biuf"


def check_arrays(x: Any, y: Any, *, name: str = "data", allow_nan_targets: bool = False) -> tuple[Any, Any]:
    """Checks features and target, and converts them to NumPy arrays.

    Args:
        x: Array-like of shape (samples, ...), or a dict, list or tuple of arrays, one for each input.
        y: Array-like of shape (samples, ...), or arrays nested likewise for a model with several outputs.
        name: The name of the data in error messages.
        allow_nan_targets: Whether targets may be NaN, for a loss that ignores them.

    Returns:
        `(x, y)` as NumPy arrays, with the nesting of the input.

    Raises:
        DataError: Values are missing or infinite, lengths differ, there are no samples, the target has the same
            value for every sample, or an input is not an array of numbers.

    Example:

    >>> x, y = check_arrays({"image": [[0.0], [0.5]], "age": [30, 50]}, [0, 1])
    >>> x["age"]
    array([30, 50])
    """
    x, y = _arrays(x, f"{name}: x", text=True), _arrays(y, f"{name}: y", text=False)
    inputs, targets = _named(x, "x", name), _named(y, "y", name)
    for place, array in inputs:
        check_finite(array, place)
    for place, array in targets:
        check_finite(array, place, allow_nan=allow_nan_targets, is_target=True)
    check_lengths([*inputs, *targets], many=isinstance(x, list | tuple) and len(x) > 2)
    if isinstance(y, np.ndarray):
        check_varies(y, f"{name}: y")
    return x, y


def check_inputs(x: Any, *, name: str = "data") -> Any:
    """Checks features that come without a target, and converts them to NumPy arrays.

    Args:
        x: As for `check_arrays`.
        name: The name of the data in error messages.

    Returns:
        x as NumPy arrays, with the nesting of the input.

    Raises:
        DataError: As for `check_arrays`.

    Example:

    >>> check_inputs([[0.0], [0.5]])
    array([[0. ],
           [0.5]])
    """
    x = _arrays(x, f"{name}: x", text=True)
    named = _named(x, "x", name)
    for place, array in named:
        check_finite(array, place)
    check_lengths(named, many=isinstance(x, list | tuple) and len(x) > 2)
    return x


def _named(data: Any, which: str, name: str) -> list[tuple[str, Array]]:
    named = [(f"{name}: {place}", array) for place, array in leaves(data, which)]
    if not named:
        raise DataError(f"{name}: {which} holds no array.")
    return named


def split_arrays(
    x: Any,
    y: Any,
    *,
    seed: int,
    task: Task | None = None,
    shares: tuple[float, ...] = SHARES,
    in_order: bool = False,
) -> tuple[tuple[Any, Any], ...]:
    """Splits samples at random, stratified by class, or in their order.

    Args:
        x, y: As `check_arrays` returns them; y may be None.
        seed: The same seed gives the same split.
        task: `Task.REGRESSION` splits without stratification. If omitted, the split is stratified when the target
            looks like classes (see `find_target`).
        shares: The size of each part as a fraction of the samples; they add up to 1.
        in_order: Whether the parts follow each other, as the past and the future of a series.

    Returns:
        `(x, y)` for each part, in the order of `shares`.

    Raises:
        DataError: There are too few samples, or too few of one class, to put some into each part.

    Example:

    >>> parts = split_arrays(np.arange(10.0), np.array([0, 1] * 5), seed=0)
    >>> [len(y) for _, y in parts]
    [6, 2, 2]
    """
    first = next(array for _, array in leaves(x, "x"))
    labels = None
    if isinstance(y, np.ndarray) and task is not Task.REGRESSION and not in_order:
        labels = classes_of(y, certain=task is not None)
    parts = split_indices(len(first), seed=seed, labels=labels, shares=shares, in_order=in_order)
    return tuple((take(x, part), take(y, part)) for part in parts)


def split_indices(
    num_samples: int,
    *,
    seed: int,
    labels: Array | None = None,
    shares: tuple[float, ...] = SHARES,
    in_order: bool = False,
) -> list[NDArray[np.intp]]:
    """Returns the indices of the samples in each part, stratified by `labels` if they are given, or in their order.

    Raises:
        DataError: There are too few samples, or too few of one class, to put some into each part.
    """
    from sklearn.model_selection import train_test_split

    needed = math.ceil(1 / min(shares) - 1e-9)
    if num_samples < needed:
        raise DataError(
            f"{num_samples} samples are too few to split into {len(shares)} parts; at least {needed} are needed."
        )
    if labels is not None:
        _check_classes(labels, needed, len(shares))
    rest = np.arange(num_samples)
    parts: list[NDArray[np.intp]] = []
    for share in reversed(shares[1:]):
        size = math.ceil(share * num_samples - 1e-9)
        if in_order:
            parts.append(rest[-size:])
            rest = rest[:-size]
            continue
        strata = None if labels is None else labels[rest]
        rest, part = train_test_split(rest, test_size=size, random_state=seed % 2**32, stratify=strata)
        parts.append(part)
    return [rest, *reversed(parts)]


def fingerprint(*arrays: Any) -> str:
    """Returns the SHA-256 of values, shapes, types and the keys of nested arrays; it is the same in every process.

    Args:
        *arrays: Arrays of numbers or texts of any shape, or nested in dicts, lists and tuples.

    Returns:
        64 hexadecimal digits.

    Raises:
        DataError: A value is not an array, or holds something else than numbers and texts.

    Example:

    >>> fingerprint(np.zeros(2)) == fingerprint(np.zeros(2))
    True
    >>> fingerprint(np.zeros(2)) == fingerprint(np.zeros(3))
    False
    """
    digest = hashlib.sha256()
    for place, array in leaves(tuple(_arrays(a, "array", text=True) for a in arrays), ""):
        text = array.dtype.kind not in _NUMERIC
        digest.update(f"{place}|{'text' if text else array.dtype.str}|{array.shape}|".encode())
        if text:
            digest.update(repr(array.tolist()).encode())
            continue
        for _, part in chunks_of(array):
            digest.update(np.ascontiguousarray(part).data)
    return digest.hexdigest()


def check_finite(array: Array, place: str, *, allow_nan: bool = False, is_target: bool = False) -> None:
    """Refuses NaN, unless it is allowed, and infinity.

    Raises:
        DataError: The array has such values; the message gives the number of samples affected and the first index.
    """
    if array.dtype.kind != "f" or all(np.isfinite(part).all() for _, part in chunks_of(array)):
        return
    for what, bad in [("missing values (NaN)", np.isnan(array)), ("infinite values", np.isinf(array))]:
        if bad.any() and not (allow_nan and what.startswith("missing")):
            is_masked = is_target and what.startswith("missing")
            masked = " If the loss ignores them, pass allow_nan_targets=True." if is_masked else ""
            samples = bad.reshape(len(bad), -1).any(axis=1).sum()
            raise DataError(
                f"{place} has {what} in {samples:,} of {len(array):,} samples, the first at index "
                f"{np.argwhere(bad)[0].tolist()}. Fill them in or remove these samples.{masked}"
            )


def check_lengths(named: list[tuple[str, Array]], *, many: bool = False) -> None:
    """Refuses arrays that are empty or differ in their number of samples.

    Raises:
        DataError: Lengths differ or are 0.
    """
    lengths = {place: len(array) for place, array in named}
    if len(set(lengths.values())) > 1:
        (first, size), *others = lengths.items()
        other = next((place, length) for place, length in others if length != size)
        hint = " A list of arrays means several inputs; if these are samples, join them with np.stack." if many else ""
        raise DataError(
            f"{first} has {size:,} samples, but {other[0].rpartition(': ')[2]} has {other[1]:,}; "
            f"they must have the same number.{hint}"
        )
    if not next(iter(lengths.values())):
        raise DataError(f"{named[0][0]} has no samples.")


def check_varies(y: Array, place: str) -> None:
    """Refuses a target that has the same value for every sample.

    Raises:
        DataError: All values are equal.
    """
    if all((part == y[:1]).all() for _, part in chunks_of(y)):
        value = f"{y.ravel()[0]}" if y.size == len(y) else "equal"
        raise DataError(
            f"{place} is {value} for all {len(y):,} samples, so there is nothing to learn. Check that it is the target."
        )


def _arrays(data: Any, place: str, *, text: bool) -> Any:
    """Converts data to nested NumPy arrays of types that Keras accepts."""
    if isinstance(data, Rows):
        return data.array
    if isinstance(data, Mapping):
        return {key: _arrays(value, f"{place}[{key!r}]", text=text) for key, value in data.items()}
    if isinstance(data, list | tuple) and any(map(_is_nested, data)):
        items = [_arrays(item, f"{place}[{i}]", text=text) for i, item in enumerate(data)]
        return tuple(items) if isinstance(data, tuple) else items
    try:
        array = np.asarray(data)
    except (ValueError, TypeError) as error:
        raise DataError(f"{place} is not an array: its rows differ in length or kind.") from error
    if not array.ndim:
        kind = type(data).__name__
        raise DataError(f"{place} is a {kind}; expected an array with the samples along its first axis.")
    if array.dtype.kind in _NUMERIC or (text and _is_text(array)):
        return array
    if _is_text(array):
        raise DataError(f"{place} holds text; number the classes from 0, as sklearn's LabelEncoder does.")
    kind = type(array.ravel()[0]).__name__ if array.dtype.kind == "O" and array.size else str(array.dtype)
    if array.dtype.kind == "O" and all(isinstance(value, numbers.Real) for value in array.flat):
        raise DataError(f"{place} has numbers of the dtype object. Convert it: .astype('float32').")
    raise DataError(f"{place} holds values of the type {kind}; expected numbers.")


def _is_nested(item: Any) -> bool:
    return isinstance(item, Mapping) or bool(getattr(item, "shape", ()))


def _is_text(array: Array) -> bool:
    return array.dtype.kind in "US" or (array.dtype.kind == "O" and all(isinstance(v, str) for v in array.flat))


def leaves(data: Any, place: str) -> Iterator[tuple[str, Any]]:
    """Yields each array with its path in the nested data."""
    if isinstance(data, np.ndarray | Rows):
        yield place, data
        return
    items = sorted(data.items(), key=str) if isinstance(data, Mapping) else enumerate(data)
    for key, value in items:
        yield from leaves(value, f"{place}[{key!r}]")


def take(data: Any, indices: NDArray[np.intp]) -> Any:
    """Selects the samples with these indices from each of nested arrays; None stays None."""
    if isinstance(data, Rows):
        return data.take(indices)
    if data is None or isinstance(data, np.ndarray):
        return None if data is None else data[indices]
    if isinstance(data, Mapping):
        return {key: take(value, indices) for key, value in data.items()}
    taken = [take(value, indices) for value in data]
    return tuple(taken) if isinstance(data, tuple) else taken


def _check_classes(labels: Array, needed: int, num_parts: int) -> None:
    classes, counts = np.unique(labels, return_counts=True)
    rare = [f"{label} ({count})" for label, count in zip(classes, counts, strict=True) if count < needed]
    if rare:
        shown = ", ".join(rare[:5]) + ", ..." * (len(rare) > 5)
        quantity = " If the target is a quantity, set the task to regression." * (labels.dtype.kind in "iuf")
        raise DataError(
            f"Too few samples in {len(rare):,} of {len(classes):,} classes: {shown}. At least {needed} of each "
            f"are needed so that each of {num_parts} parts gets some. Remove these classes, merge them, or pass "
            f"the parts yourself.{quantity}"
        )
