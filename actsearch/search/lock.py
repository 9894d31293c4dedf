"""One process at a time searches in a directory."""

import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from actsearch.errors import UsageError

FILE_NAME = "search.lock"


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Holds the directory's lock; the system lets go of it however this process ends, so none is ever stale.

    Raises:
        UsageError: Another process has it; the message says which.
    """
    with (directory / FILE_NAME).open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.seek(0)
            raise UsageError(
                f"{directory}: another process is searching here ({file.read().strip() or 'it has just begun'}). "
                "Wait for its end, or give another --directory."
            ) from error
        file.truncate(0)
        file.write(f"process {os.getpid()} on {socket.gethostname()}\n")
        file.flush()
        yield


def is_locked(directory: Path) -> bool:
    """Whether a process is searching in the directory now."""
    try:
        with locked(directory):
            return False
    except UsageError:
        return True
