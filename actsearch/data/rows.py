"""Arrays that are too large to be copied: they stay where they are, in a file or in memory, and batches are read.

A mapped file counts as memory of the process as far as it was read, in pages of up to 2 MB around each sample. So
samples are read from the file, not from its mapping, and pages that were read one after the other are given back.
"""

import mmap
import os
import weakref
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.format import read_array_header_1_0, read_array_header_2_0, read_magic

from actsearch._typing import Array
from actsearch.errors import DataError

MAPPED_BYTES = 2**28  # from here on, an array in a mapped file stays there
MEMORY_BYTES = 2_000_000_000  # from here on, an array in memory is not copied
CHUNK_BYTES = 2**26
_NAME_LENGTH = 26  # bytes from the start of a member of a zip file to the length of its name
_SHARED = ("r", "r+", "w+")  # modes in which a mapping has what the file has


class Rows:
    """Some samples of a large array, which are read when they are asked for.

    Args:
        array: The array, of shape (n, ...).
        indices: Which of its samples these are, and in which order; all if omitted.
        shift, scale: What is subtracted from each sample, and by what it is divided then; as stored if omitted.

    Example:

    >>> rows = Rows(np.arange(10.0), np.array([7, 3, 5]))
    >>> rows.shape, rows[[2, 0]].tolist(), rows.take(np.array([1]))[:].tolist()
    ((3,), [5.0, 7.0], [3.0])
    """

    def __init__(
        self, array: Array, indices: Any = None, shift: Array | None = None, scale: Array | float | None = None
    ) -> None:
        self.array, self._indices = array, indices
        self._shift, self._scale = shift, scale
        stored = _Stored.of(array)
        self._source: Any = array if stored is None else stored

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of these samples."""
        return (len(self), *self.array.shape[1:])

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return self.array.ndim

    @property
    def dtype(self) -> Any:
        """The type of the values that are read."""
        return self.array.dtype if self._scale is None else np.dtype(np.float32)

    @property
    def nbytes(self) -> int:
        """Bytes that these samples would take."""
        return int(np.prod(self.shape)) * self.dtype.itemsize

    def __len__(self) -> int:
        return len(self.array) if self._indices is None else len(self._indices)

    def __getitem__(self, rows: Any) -> Array:
        """Reads the samples of a slice or of numbers; the result is a copy."""
        chosen = rows if self._indices is None else self._indices[rows]
        values = np.array(self._source[chosen]) if isinstance(chosen, slice) else self._source[chosen]
        return values if self._scale is None else self._scaled(values)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        return self[:] if dtype is None else self[:].astype(dtype)

    def __reduce__(self) -> Any:
        return _restored, (self._source, self._indices, self._shift, self._scale)

    def take(self, indices: Any) -> "Rows":
        """Returns the samples of these numbers, without reading them."""
        chosen = indices if self._indices is None else self._indices[indices]
        return Rows(self.array, chosen, self._shift, self._scale)

    def scaled(self, shift: Array | None, scale: Array | float) -> "Rows":
        """Returns these samples as (value - shift) / scale, in float32."""
        return Rows(self.array, self._indices, shift, scale)

    def chunks(self) -> Iterator[Array]:
        """Reads all samples in the order in which they are stored, some 64 MB at a time."""
        indices = None if self._indices is None else np.sort(self._indices)
        size = chunk_size(self)
        for start in range(0, len(self), size):
            if indices is None:
                yield self._source[start : start + size]
                continue
            chosen = indices[start : start + size]
            yield self._source[chosen[0] : chosen[-1] + 1][chosen - chosen[0]]

    def _scaled(self, values: Array) -> Array:
        with np.errstate(all="ignore"):
            shifted = values if self._shift is None else values - self._shift
            scaled = np.asarray(shifted / self._scale).astype(np.float32)
        if not np.isfinite(scaled).all():
            raise DataError("the data has values that overflow when they are scaled to float32")
        return scaled


def kept_in_place(data: Any) -> Any:
    """Returns nested arrays with `Rows` for those that are too large to be copied."""
    if isinstance(data, np.ndarray):
        return Rows(data) if is_large(data) else data
    if isinstance(data, Mapping):
        return {key: kept_in_place(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return type(data)(map(kept_in_place, data)) if type(data) in (list, tuple) else data
    return data


def is_large(array: Array) -> bool:
    """Returns whether an array is too large to be copied."""
    return array.nbytes > (MEMORY_BYTES if mapped_file(array) is None else MAPPED_BYTES)


def chunks_of(array: Array) -> Iterator[tuple[int, Array]]:
    """Yields parts of an array with the number of their first sample: all of it, unless it is large."""
    size = chunk_size(array) if is_large(array) else max(len(array), 1)
    for start in range(0, len(array), size):
        yield start, array[start : start + size]
        if size < len(array):
            release(array)


def chunk_size(array: Any) -> int:
    """Returns how many samples take some 64 MB."""
    return max(CHUNK_BYTES * len(array) // max(array.nbytes, 1), 1)


def stored_members(path: Path, archive: zipfile.ZipFile) -> dict[str, Array]:
    """Maps the arrays of an .npz file that `numpy.savez` wrote without compression, if they are large.

    Args:
        path: The file.
        archive: The same file.

    Returns:
        The arrays by their names; those that have to be unpacked are missing.
    """
    found: dict[str, Array] = {}
    for member in archive.infolist():
        is_whole = MAPPED_BYTES < member.file_size == member.compress_size <= path.stat().st_size
        if member.compress_type != zipfile.ZIP_STORED or not is_whole:
            continue
        with path.open("rb") as file:
            file.seek(member.header_offset + _NAME_LENGTH)
            lengths = [int.from_bytes(file.read(2), "little") for _ in range(2)]  # of the name and of what follows it
            file.seek(sum(lengths), os.SEEK_CUR)
            read = {(1, 0): read_array_header_1_0, (2, 0): read_array_header_2_0}.get(read_magic(file))
            if read is None:
                continue
            shape, is_fortran, dtype = read(file)
            if not (is_fortran or dtype.hasobject):
                found[member.filename.removesuffix(".npy")] = np.memmap(path, dtype, "r", file.tell(), shape)
    return found


def mapped_file(array: Any) -> mmap.mmap | None:
    """Returns the mapped file that an array is in; None for an array in memory.

    Example:

    >>> path = getfixture("tmp_path") / "x.npy"
    >>> np.save(path, np.zeros(3))
    >>> mapped_file(np.load(path)) is None, mapped_file(np.load(path, mmap_mode="r")[1:]) is None
    (True, False)
    """
    while isinstance(array, np.ndarray | memoryview):
        array = array.base if isinstance(array, np.ndarray) else array.obj
    return array if isinstance(array, mmap.mmap) else None


def release(array: Array) -> None:
    """Gives the pages of a mapped file back, unless they may hold changes that the file does not have."""
    file, root = mapped_file(array), _mapping(array)
    if file is None or root is None or root.mode not in _SHARED or not hasattr(mmap, "MADV_DONTNEED"):
        return
    file.madvise(mmap.MADV_DONTNEED)


def _mapping(array: Any) -> "np.memmap[Any, Any] | None":
    """Returns the array that NumPy made of a whole file, of which an array is a part."""
    found = None
    while isinstance(array, np.ndarray):
        found = array if isinstance(array, np.memmap) else found
        array = array.base
    return found


class _Stored:
    """An array in a file, whose samples are read without mapping them; other processes read the same file.

    Args:
        path: The file.
        offset: Where the array begins, in bytes.
        shape, dtype: Those of the array.
    """

    def __init__(self, path: str, offset: int, shape: tuple[int, ...], dtype: Any) -> None:
        self._arguments = path, offset, shape, dtype
        self._file = os.open(path, os.O_RDONLY)
        weakref.finalize(self, os.close, self._file)
        self._offset, self._shape, self._dtype = offset, shape, np.dtype(dtype)
        self._num_bytes = int(np.prod(shape[1:])) * self._dtype.itemsize

    @classmethod
    def of(cls, array: Array) -> "_Stored | None":
        """Returns where an array is stored; None if it is in memory, or if the file may have something else."""
        root = _mapping(array)
        if root is None or root.mode not in _SHARED or root.filename is None or not array.flags.c_contiguous:
            return None
        start, first = (each.__array_interface__["data"][0] for each in (array, root))
        try:
            stored = cls(str(root.filename), root.offset + start - first, array.shape, array.dtype)
        except OSError:
            return None  # deleted since
        ends = np.array([0, len(array) - 1])
        return stored if stored[ends].tobytes() == array[ends].tobytes() else None

    def __getitem__(self, rows: Any) -> Array:
        if isinstance(rows, slice):
            start, stop, step = rows.indices(self._shape[0])
            return self._read(start, max(stop - start, 0))[::step]
        values = np.empty((len(rows), *self._shape[1:]), self._dtype)
        for number, row in enumerate(np.asarray(rows).tolist()):
            self._fill(values[number : number + 1].reshape(-1).view(np.uint8), row)
        return values

    def _read(self, start: int, count: int) -> Array:
        values = np.empty((count, *self._shape[1:]), self._dtype)
        if count:
            self._fill(values.reshape(-1).view(np.uint8), start)
        return values

    def _fill(self, buffer: Array, row: int) -> None:
        view, at = memoryview(buffer.data), self._offset + row * self._num_bytes
        while view:
            if not (count := os.preadv(self._file, [view], at)):
                raise DataError(f"{self._arguments[0]}: the file has become shorter since the search started")
            view, at = view[count:], at + count

    def __reduce__(self) -> Any:
        return _Stored, self._arguments

    def mapped(self) -> Array:
        """Returns the array as a mapped file."""
        path, offset, shape, dtype = self._arguments
        return np.memmap(path, dtype, "r", offset, shape)


def _restored(source: Any, *arguments: Any) -> Rows:
    return Rows(source.mapped() if isinstance(source, _Stored) else source, *arguments)
