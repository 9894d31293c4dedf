"""Files that claim to hold far more than they can: refused before anything is unpacked."""

from pathlib import Path

import psutil

from actsearch.errors import DataError, UsageError

ALWAYS_BYTES = 2**30
MAX_RATIO = 200


def check_unpacked(path: Path, num_bytes: int, error: type[UsageError] = DataError) -> None:
    """Refuses a file that unpacks to more than the memory, or to 200 times its own size and over 1 GiB.

    Args:
        path: The file.
        num_bytes: What it unpacks to, as it says itself.
        error: The class of the error that is raised.

    Raises:
        UsageError: It does.

    Example:

    >>> path = getfixture("tmp_path") / "small.npz"
    >>> path.write_bytes(b"small")
    5
    >>> check_unpacked(path, 10**12)
    Traceback (most recent call last):
    ...
    actsearch.errors.DataError: ...small.npz: says that it unpacks to 931.3 GiB, ...
    """
    most = min(max(ALWAYS_BYTES, MAX_RATIO * path.stat().st_size), psutil.virtual_memory().available)
    if num_bytes > most:
        raise error(
            f"{path}: says that it unpacks to {num_bytes / 2**30:,.1f} GiB, and at most {most / 2**30:,.1f} GiB are "
            "read from a file of this size on this machine. Save less, or a smaller type such as float32."
        )
