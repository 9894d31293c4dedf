"""Tables from csv and parquet files: columns are checked, the target is separated, text columns become numbers."""

import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from actsearch._typing import Array
from actsearch.environment import free_memory
from actsearch.errors import DataError, UsageError, did_you_mean

ALWAYS_BYTES = 2**30
MAX_RATIO = 200


def check_unpacked(path: Path, num_bytes: int, error: type[UsageError] = DataError) -> None:
    """Refuses a file that unpacks to more than the free memory, or to more than 1 GiB and 200 times its size.

    Args:
        path: The file.
        num_bytes: Its unpacked size, as declared in the file.
        error: The class of the error to raise.

    Raises:
        UsageError: The unpacked size is over the limit.

    Example:

    >>> path = getfixture("tmp_path") / "small.npz"
    >>> path.write_bytes(b"small")
    5
    >>> check_unpacked(path, 10**12)
    Traceback (most recent call last):
    ...
    actsearch.errors.DataError: ...small.npz: its declared unpacked size is 931.3 GiB; ...
    """
    limit = min(max(ALWAYS_BYTES, MAX_RATIO * path.stat().st_size), free_memory())
    if num_bytes > limit:
        raise error(
            f"{path}: its declared unpacked size is {num_bytes / 2**30:,.1f} GiB; the limit for a file of this size "
            f"on this machine is {limit / 2**30:,.1f} GiB. Save less data, or use a smaller type such as float32."
        )


if TYPE_CHECKING:
    import pandas as pd

MAX_TEXTS = 100
_BYTES_A_VALUE = 8


def read_table(
    path: Path, target: str | None, groups: str | None = None
) -> tuple["pd.DataFrame", Array, Array | None, list[str]]:
    """Reads a csv or parquet file.

    Args:
        path: The file; a csv is UTF-8 with a header line, separated by commas, semicolons or tabs.
        target: The column to learn.
        groups: The column with the group of each row; it does not become a feature.

    Returns:
        The features (columns of float64 or text), the target, the groups, and notes on omitted columns.

    Raises:
        DataError: The file cannot be read as a table, lacks the target column, or has columns or values that
            cannot be learned from.
    """
    import pandas as pd

    try:
        frame = _read_csv(path) if is_csv(path) else _read_parquet(path)
    except DataError:
        raise
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 text (byte {error.start}). Save it as UTF-8.") from error
    except Exception as error:
        reason = str(error).strip().rstrip(".") or type(error).__name__
        raise DataError(f"{path}: cannot be read as {path.suffix[1:]}: {reason}.") from error
    frame.columns = [str(column) for column in frame.columns]
    _check_form(frame, path, target, groups)
    frame, notes = _without_index(frame, target)
    labels = None
    if groups is not None:
        labels, frame = frame[groups].astype(str).to_numpy(dtype=str), frame.drop(columns=[groups])
        notes = [*notes, f"{len(np.unique(labels)):,} groups by {groups}"]
    _check_missing(frame, path)
    plain = pd.DataFrame({name: _values(frame[name], path) for name in frame.columns})
    for name in plain.columns:
        _check_texts(plain[name], path, is_target=name == target)
    return plain.drop(columns=[target]), plain[target].to_numpy(), labels, notes


class TableEncoder:
    """Encodes the features of a table as one float array: numbers are standardised, text columns one-hot encoded.

    The scaler is fitted on the training part; a text that does not occur among `texts` becomes zeros.

    Args:
        train: The training part.
        texts: The rows whose texts get a column: the training part, or all rows if several splits must have the same
            columns.
    """

    def __init__(self, train: "pd.DataFrame", *, texts: "pd.DataFrame") -> None:
        from sklearn.preprocessing import OneHotEncoder

        self.text = [name for name in train.columns if train[name].dtype.kind == "O"]
        self.numbers = [name for name in train.columns if name not in self.text]
        self.scaler = standard_scaler(train[self.numbers].to_numpy(dtype=float)) if self.numbers else None
        encoder = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
        self.encoder = encoder.fit(texts[self.text].to_numpy(dtype=object)) if self.text else None

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the features, in order: the numeric columns, then `column=text`."""
        values = self.encoder.categories_ if self.encoder else ()
        columns = zip(self.text, values, strict=True)
        return (*self.numbers, *(f"{column}={value}" for column, texts in columns for value in texts))

    def __call__(self, part: "pd.DataFrame") -> Array:
        """Returns the features of a part, of shape (samples, features)."""
        arrays = [self.scaler.transform(part[self.numbers].to_numpy(dtype=float))] if self.scaler else []
        if self.encoder:
            arrays.append(self.encoder.transform(part[self.text].to_numpy(dtype=object)))
        return np.hstack(arrays)


def standard_scaler(train: Array) -> Any:
    """Returns a fitted scikit-learn scaler to mean 0 and variance 1; a constant column becomes 0."""
    return scaler_of(iter([train]))


def scaler_of(chunks: Iterator[Array]) -> Any:
    """Returns the scaler of `standard_scaler` for parts that are not in memory at the same time."""
    from sklearn.preprocessing import StandardScaler

    with np.errstate(all="ignore"):
        scaler = StandardScaler().fit(next(chunks))
        for chunk in chunks:
            scaler.partial_fit(chunk)
        return scaler


def is_csv(path: Path) -> bool:
    """Returns whether a path is that of a csv file."""
    return path.suffix.lower() == ".csv"


def listed(names: list[str], limit: int = 20) -> str:
    """Joins names with commas; a long list is cut after `limit` names, and its total is given."""
    more = f", ... ({len(names):,} in all)" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more


def _read_csv(path: Path) -> "pd.DataFrame":
    import pandas as pd

    with path.open(encoding="utf-8") as file:
        header = file.readline()
    separator = max(",;\t", key=header.count)
    with warnings.catch_warnings():
        warnings.simplefilter("error", pd.errors.ParserWarning)
        try:
            return pd.read_csv(path, sep=separator, index_col=False, low_memory=False, encoding="utf-8")
        except pd.errors.ParserWarning as warning:
            raise ValueError("its lines have more fields than its header") from warning


def _read_parquet(path: Path) -> "pd.DataFrame":
    import pandas as pd
    from pyarrow import parquet

    with parquet.ParquetFile(path) as file:
        check_unpacked(path, file.metadata.num_rows * file.metadata.num_columns * _BYTES_A_VALUE)
    return pd.read_parquet(path)


def _check_form(frame: "pd.DataFrame", path: Path, target: str | None, groups: str | None) -> None:
    columns = list(frame.columns)
    duplicates = sorted(name for name, count in Counter(columns).items() if count > 1)
    if duplicates:
        raise DataError(f"{path}: several columns are called {duplicates[0]!r}. Rename them.")
    if target is None:
        raise DataError(f"{path}: specify which column is the target. Columns: {listed(columns)}.")
    for name in (target, groups):
        if name is not None and name not in columns:
            hint = did_you_mean(name, columns)
            raise DataError(f"{path}: has no column {name!r}.{hint} Columns: {listed(columns)}.")
    if target == groups:
        raise DataError(f"{path}: {target!r} is both target and groups. Give another column for one of them.")
    if len(set(columns) - {groups}) < 2:
        raise DataError(f"{path}: has no columns other than the target {target!r}.")
    if not len(frame):
        raise DataError(f"{path}: has a header but no rows.")


def _without_index(frame: "pd.DataFrame", target: str | None) -> tuple["pd.DataFrame", list[str]]:
    """Omits the row numbers that pandas writes: in a sorted file they would reveal the target."""
    first = frame.columns[0]
    counted = first == "Unnamed: 0" and np.array_equal(frame[first].to_numpy(), np.arange(len(frame)))
    if not counted or first == target or frame.shape[1] < 3:
        return frame, []
    return frame.drop(columns=[first]), ["column of row numbers left out"]


def _check_missing(frame: "pd.DataFrame", path: Path) -> None:
    """Refuses missing and infinite values; the message names the columns."""
    infinite = frame.select_dtypes("floating").isin([np.inf, -np.inf])
    empty = " Empty fields, NA, NaN and None count as missing."
    for what, bad, hint in [("missing", frame.isna(), empty), ("infinite", infinite, "")]:
        counts = bad.sum()
        columns = [f"{name!r} ({count:,})" for name, count in counts[counts > 0].items()]
        if columns:
            row = int(bad.any(axis=1).to_numpy().argmax()) + 1
            raise DataError(
                f"{path}: {what} values in {listed(columns, 5)}, the first in row {row} below the header. "
                f"Fill them in, or remove these rows or columns.{hint}"
            )


def _values(column: "pd.Series[Any]", path: Path) -> Array:
    """Converts a column to a NumPy array of booleans, numbers, or text (dtype object)."""
    import pandas as pd

    place = f"{path}: column {column.name!r}"
    values = column.astype(str) if isinstance(column.dtype, pd.CategoricalDtype) else column
    types = pd.api.types
    if types.is_bool_dtype(values):
        return values.to_numpy(dtype=bool)
    if types.is_numeric_dtype(values) and not types.is_complex_dtype(values):
        return values.to_numpy(dtype=getattr(values.dtype, "numpy_dtype", values.dtype))
    texts = values.to_numpy(dtype=object)
    if not all(isinstance(text, str) for text in texts):
        kind = type(texts[0]).__name__ if values.dtype == object else str(values.dtype)
        kind = "integers of more than 64 bits" if kind == "int" else f"values of the type {kind}"
        raise DataError(f"{place} holds {kind}; expected numbers or text. Remove or convert it.")
    return texts


def _check_texts(column: "pd.Series[Any]", path: Path, *, is_target: bool) -> None:
    """Refuses stray text among numbers, such as a question mark, and columns of names or identifiers."""
    import pandas as pd

    if column.dtype.kind != "O":
        return
    place = f"{path}: column {column.name!r}"
    odd = pd.to_numeric(column, errors="coerce").isna().to_numpy()
    if 0 < odd.sum() < len(odd) / 2:
        row = int(odd.argmax())
        raise DataError(
            f"{place} holds numbers, but row {row + 1} below the header has the text {column.iloc[row]!r}. "
            "Replace it with a number, or remove the row."
        )
    limit = min(MAX_TEXTS, max(20, len(column) // 2))
    if column.nunique() > limit and not is_target:
        raise DataError(
            f"{place} has {column.nunique():,} different texts, such as {column.iloc[0]!r}; at most {limit} can "
            "become features. If it holds names or identifiers, remove it; if it holds numbers, write them as 1234.5."
        )
