"""Protection against decompression bombs: oversized files are refused before anything is unpacked."""

from pathlib import Path

import psutil

from actsearch.errors import DataError, UsageError

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
    limit = min(max(ALWAYS_BYTES, MAX_RATIO * path.stat().st_size), psutil.virtual_memory().available)
    if num_bytes > limit:
        raise error(
            f"{path}: its declared unpacked size is {num_bytes / 2**30:,.1f} GiB; the limit for a file of this size "
            f"on this machine is {limit / 2**30:,.1f} GiB. Save less data, or use a smaller type such as float32."
        )
