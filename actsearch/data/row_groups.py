"""Large parquet files, read one row group after the other into a file that is mapped."""

import os
import shutil
import tempfile
import weakref
from pathlib import Path
from typing import Any

import numpy as np

from actsearch._typing import Array
from actsearch.data.rows import Rows, release
from actsearch.data.tables import listed
from actsearch.errors import DataError

LARGE_BYTES = 2**29  # as numbers of 8 bytes
_ROWS = 16_384
_EXACT_IN_FLOAT32 = ("float", "halffloat", "int8", "int16", "uint8", "uint16", "bool")


def read_by_row_groups(
    path: Path, target: str | None, groups: str | None
) -> tuple[Rows, Array, Array | None, list[str]] | None:
    """Reads a large parquet file of numbers, without ever having all of it in memory.

    Its features are written to a file in the folder for temporary files (`TMPDIR`), which is deleted in the end.

    Args:
        path: The file.
        target, groups: As for `read_table`.

    Returns:
        As `read_table`; None for other and smaller files, and for those with columns of text.

    Raises:
        DataError: Values are missing or infinite, or there is no room for the temporary file.
    """
    if path.suffix.lower() != ".parquet":
        return None
    from pyarrow import ArrowException, parquet

    try:
        with parquet.ParquetFile(path, pre_buffer=False) as file:  # else it keeps what it has read
            names = _features(file, target, groups)
            if not names or file.metadata.num_rows * len(names) * 8 <= LARGE_BYTES:
                return None
            return _read(file, path, names, target, groups)
    except (ArrowException, OSError):
        return None  # read_table says what is wrong with it


def _features(file: Any, target: str | None, groups: str | None) -> list[str]:
    """Returns the names of the columns that are features; none if the file needs another reader."""
    from pyarrow import types

    schema = file.schema_arrow
    index = {name for name in (schema.pandas_metadata or {}).get("index_columns", ()) if isinstance(name, str)}
    names = [name for name in schema.names if name not in {target, groups, *index}]
    numeric = (types.is_integer, types.is_floating, types.is_boolean)
    plain = len(set(schema.names)) == len(schema.names) and {target, groups} - {None} <= set(schema.names)
    plain = plain and target is not None and target != groups
    return names if plain and all(any(is_(schema.field(n).type) for is_ in numeric) for n in names) else []


def _read(
    file: Any, path: Path, names: list[str], target: str | None, groups: str | None
) -> tuple[Rows, Array, Array | None, list[str]]:
    kinds = {str(file.schema_arrow.field(name).type) for name in names}
    kind = np.float32 if kinds <= set(_EXACT_IN_FLOAT32) else np.float64
    features = _temporary((file.metadata.num_rows, len(names)), kind, path)
    others: dict[str, list[Array]] = {name: [] for name in (target, groups) if name is not None}
    row = 0
    for batch in file.iter_batches(batch_size=_ROWS, columns=[*names, *others]):
        columns = dict(zip(batch.schema.names, batch.columns, strict=True))
        bad = [name for name, column in columns.items() if column.null_count]
        for number, name in enumerate(names):
            features[row : row + batch.num_rows, number] = columns[name].to_numpy(zero_copy_only=False)
        written = features[row : row + batch.num_rows]
        bad += [name for name, column in zip(names, written.T, strict=True) if not np.isfinite(column).all()]
        if bad:
            raise DataError(
                f"{path}: missing or infinite values in {listed(bad, 5)}, in rows {row + 1:,} to "
                f"{row + batch.num_rows:,}. Fill them in, or remove these rows or columns."
            )
        for name, parts in others.items():
            parts.append(columns[name].to_numpy(zero_copy_only=False))
        row += batch.num_rows
        release(features)
    found = {name: np.concatenate(parts) for name, parts in others.items()}
    labels = None if groups is None else found[groups].astype(str)
    notes = [] if labels is None else [f"{len(np.unique(labels)):,} groups by {groups}"]
    return Rows(features), found[target or ""], labels, notes


def _temporary(shape: tuple[int, int], kind: Any, path: Path) -> Array:
    """Returns an array in a file that is deleted with it."""
    folder = tempfile.gettempdir()
    needed, free = shape[0] * shape[1] * np.dtype(kind).itemsize, shutil.disk_usage(folder).free
    if needed > free:
        raise DataError(
            f"{path}: needs a temporary file of {needed / 2**30:,.1f} GiB, but {folder} has {free / 2**30:,.1f} GiB "
            "left. Set TMPDIR to a folder with more."
        )
    handle, name = tempfile.mkstemp(".actsearch", dir=folder)
    os.close(handle)
    array = np.memmap(name, kind, "w+", shape=shape)
    weakref.finalize(array, os.unlink, name)
    return array
