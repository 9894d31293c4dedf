"""Sources of data: scikit-learn's data sets, files, and user functions."""

import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from actsearch._typing import Array
from actsearch._user_code import import_object, user_code
from actsearch.data.arrays import check_finite, check_lengths
from actsearch.data.row_groups import read_by_row_groups
from actsearch.data.rows import kept_in_place, stored_members
from actsearch.data.tables import check_unpacked, listed, read_table
from actsearch.data.target import one_value_each
from actsearch.errors import DataError, UnknownNameError, did_you_mean

BUILT_IN = ("breast_cancer", "diabetes", "digits", "wine")
FILES = (".csv", ".npz", ".parquet")
PARTS = ("train", "val", "test")
FORMS = "(x, y), ((x_train, y_train), (x_test, y_test)) or a dict with the keys x and y"


@dataclass(frozen=True, eq=False)
class Raw:
    """Data from a source, checked but not yet prepared.

    Args:
        name: Their name in the summary.
        parts: `(x, y)` under `"train"`, and under `"val"` and `"test"` if the source is already split. Features are
            an array or a table; the target has one value for each sample.
        class_names: Names of the classes 0 ... k − 1, if the source has any.
        prepared: Whether they come from user code, and so are not scaled.
        notes: Changes made while reading, for the summary.
        groups: The group of each sample of the training part; None without groups.
    """

    name: str
    parts: dict[str, tuple[Any, Array]]
    class_names: tuple[str, ...] | None = None
    prepared: bool = False
    notes: list[str] = field(default_factory=list)
    groups: Array | None = None


def read_source(source: str, target: str | None, groups: str | None = None) -> Raw:
    """Reads a built-in data set, a file or the return value of a user function, whichever `source` names.

    Raises:
        UnknownNameError: `source` names none of these.
        DataError: The data cannot be read or cannot be learned from.
        UsageError: The function cannot be imported.
    """
    path = Path(source)
    is_table = path.suffix.lower() in {".csv", ".parquet"}
    if target is not None and not is_table:
        raise DataError(f"{source}: only csv and parquet files have a target column. Omit the target {target!r}.")
    if groups is not None and not is_table:
        raise DataError(f"{source}: only csv and parquet files have a column of groups. Omit the groups {groups!r}.")
    if source in BUILT_IN:
        return _built_in(source)
    if path.suffix.lower() in FILES:
        _check_file(path)
        if not is_table:
            return _divided(_read_npz(path), str(path), path.name)
        features, y, labels, notes = read_by_row_groups(path, target, groups) or read_table(path, target, groups)
        return Raw(path.name, {"train": (features, y)}, notes=notes, groups=labels)
    if ":" in source:
        return _from_function(source)
    if source and path.is_dir():
        return _divided(_read_folder(path), str(path), path.name)
    if source and path.exists():
        raise DataError(f"{source}: cannot be read; expected a file that ends in {', '.join(FILES)}.")
    if did_you_mean(path.name, _data_files(path.parent)):
        _check_file(path)
    forms = [
        *BUILT_IN,
        *(f"FILE{suffix}" for suffix in FILES),
        "FOLDER with x.npy and y.npy",
        "package.module:function",
    ]
    raise UnknownNameError("data set", source, forms)


def _built_in(name: str) -> Raw:
    import pandas as pd
    from sklearn import datasets

    loaded = getattr(datasets, f"load_{name}")()
    x = loaded.images[..., np.newaxis] if name == "digits" else pd.DataFrame(loaded.data, columns=loaded.feature_names)
    names = loaded.get("target_names")
    return Raw(name, {"train": (x, loaded.target)}, None if names is None else tuple(str(n) for n in names))


def _check_file(path: Path) -> None:
    if not path.exists():
        near = did_you_mean(path.name, _data_files(path.parent))
        raise DataError(f"{path}: no such file in {path.parent.absolute()}.{near}")
    if not path.is_file():
        raise DataError(f"{path}: is not a file.")
    if not path.stat().st_size:
        raise DataError(f"{path}: the file is empty.")


def _data_files(folder: Path) -> list[str]:
    return [file.name for file in folder.iterdir() if file.suffix.lower() in FILES] if folder.is_dir() else []


def _read_npz(path: Path) -> dict[str, Array]:
    if not zipfile.is_zipfile(path):
        raise DataError(f"{path}: is not a complete npz archive. Write it with numpy.savez(path, x=x, y=y).")
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            stored = stored_members(path, archive.zip)
            others = [member for member in archive.zip.infolist() if member.filename.removesuffix(".npy") not in stored]
            check_unpacked(path, sum(member.file_size for member in others))
            return {key: stored[key] if key in stored else archive[key] for key in archive.files}
    except DataError:
        raise
    except Exception as error:
        if "allow_pickle" in str(error):
            raise DataError(
                f"{path}: holds pickled Python objects, which are refused because reading them can run any code. "
                "Save arrays of numbers or text: x.astype(float), y.astype(str)."
            ) from error
        reason = str(error).strip().rstrip(".") or type(error).__name__
        raise DataError(f"{path}: cannot be read as npz: {reason}.") from error


def _read_folder(path: Path) -> dict[str, Array]:
    """Maps the .npy files of a folder, by their names."""
    files = sorted(path.glob("*.npy"))
    if not files:
        raise DataError(f"{path}: is a folder without .npy files; expected x.npy and y.npy in it, or a data file.")
    try:
        return {file.stem: np.load(file, mmap_mode="r", allow_pickle=False) for file in files}
    except (OSError, ValueError, EOFError) as error:
        reason = str(error).strip().rstrip(".")
        raise DataError(f"{path}: its .npy files cannot be mapped: {reason}. Save arrays of numbers.") from error


def _from_function(source: str) -> Raw:
    function = import_object(source, "data function")
    if not callable(function):
        kind = type(function).__name__
        raise DataError(f"{source} is not a function but a {kind}; expected a function that returns {FORMS}.")
    with user_code(source, DataError):
        returned = function()
    return _divided(_by_key(returned, source), source, source, prepared=True)


def _by_key(returned: Any, source: str) -> dict[str, Any]:
    """Arranges the return value of a user function under the keys of an npz file."""
    if isinstance(returned, Mapping):
        return {str(key): value for key, value in returned.items()}
    if not isinstance(returned, tuple | list):
        raise DataError(f"{source} returned a value of the type {type(returned).__name__}; expected {FORMS}.")
    names = {2: ("train", "test"), 3: PARTS}.get(len(returned), ())
    if names and all(isinstance(pair, tuple) and len(pair) == 2 for pair in returned):
        pairs = dict(zip(names, returned, strict=True))
        return {f"{key}_{part}": pair[i] for part, pair in pairs.items() for i, key in enumerate("xy")}
    if len(returned) != 2:
        raise DataError(f"{source} returned {len(returned)} values; expected {FORMS}.")
    return dict(zip("xy", returned, strict=True))


def _divided(arrays: Mapping[str, Any], place: str, name: str, *, prepared: bool = False) -> Raw:
    """Pairs features and target by their keys: x and y, or x_train, y_train and so on; X is read as x."""
    named = {key[:1].lower() + key[1:]: value for key, value in arrays.items()}
    pairs = {"train": ("x", "y")}
    if "x_train" in named:
        pairs = {part: (f"x_{part}", f"y_{part}") for part in PARTS}
    pairs = {part: pair for part, pair in pairs.items() if part == "train" or set(pair) & set(named)}
    expected = [key for pair in pairs.values() for key in pair]
    missing = [key for key in expected if key not in named]
    odd = [key for key in named if key[:2] in {"x", "y", "x_", "y_"} and key not in expected]
    if missing or odd:
        what = f"{missing[0]} is missing" if missing else f"{odd[0]} is unexpected"
        raise DataError(
            f"{place}: holds {listed(list(arrays)) or 'no arrays'}; {what}. Expected x and y, or x_train and "
            "y_train with optional x_val, y_val, x_test and y_test."
        )
    checked = {part: _checked(named, x, y, place) for part, (x, y) in pairs.items()}
    shape = checked["train"][0].shape[1:]
    for part, (x, _) in checked.items():
        if x.shape[1:] != shape:
            raise DataError(
                f"{place}: samples of x_train have the shape {shape}, but those of x_{part} have {x.shape[1:]}."
            )
    return Raw(name, checked, prepared=prepared)


def _checked(named: Mapping[str, Any], x_key: str, y_key: str, place: str) -> tuple[Array, Array]:
    x = _array(named[x_key], f"{place}: {x_key}", "biuf", "numbers")
    y = _array(named[y_key], f"{place}: {y_key}", "biufUO", "numbers or text")
    check_lengths([(f"{place}: {x_key}", x), (f"{place}: {y_key}", y)])
    for array, key in [(x, x_key), (y, y_key)]:
        check_finite(array, f"{place}: {key}")
    if y.dtype.kind == "U":
        _check_unicode(y, f"{place}: {y_key}")
    if not x[0].size:
        raise DataError(f"{place}: {x_key} has the shape {x.shape}: its samples hold no features.")
    return kept_in_place(x[:, np.newaxis] if x.ndim == 1 else x), one_value_each(y, f"{place}: {y_key}")


def _array(value: Any, place: str, kinds: str, expected: str) -> Array:
    try:
        array = np.asarray(value)
    except (ValueError, TypeError) as error:
        raise DataError(f"{place} is not an array: its rows differ in length or kind.") from error
    text = array.dtype.kind != "O" or all(isinstance(item, str) for item in array.flat)
    if array.dtype.kind not in kinds or not text:
        kind = type(array.ravel()[0]).__name__ if array.dtype.kind == "O" and array.size else str(array.dtype)
        raise DataError(f"{place} holds values of the type {kind}; expected {expected}.")
    if not array.ndim:
        raise DataError(f"{place} is a single value; expected an array with the samples along its first axis.")
    return array


def _check_unicode(array: Array, place: str) -> None:
    """Refuses code points that are not characters: Python raises an error when it reads one."""
    codes = np.frombuffer(array.astype(array.dtype.newbyteorder("=")).tobytes(), np.uint32)
    if ((codes > 0x10FFFF) | ((codes >= 0xD800) & (codes < 0xE000))).any():
        raise DataError(f"{place} holds bytes that are not text. Rewrite the file, or number the classes from 0.")
