"""One process at a time searches in a directory."""

import fcntl
import hashlib
import os
import socket
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from actsearch.errors import TrackingError, UsageError

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


LOCK_NAME = "tracking.lock"
PATIENCE_SECONDS = 30.0  # another process may just be loading MLflow, on a busy machine


@contextmanager
def drawing_alone(directory: Path, wait: Callable[[], bool]) -> Iterator[None]:
    """Holds the right to draw the search in a directory; the system frees it when this process ends.

    Args:
        directory: The search's directory.
        wait: Called while another process has it: waits, and says whether to ask again.

    Raises:
        TrackingError: Another process draws the search, and `wait` said no.
    """
    with (directory / LOCK_NAME).open("w") as file:
        while not _locked(file.fileno()):
            if not wait():
                raise TrackingError("another process draws this search at the moment")
        yield


@contextmanager
def making_alone(database: Path | None) -> Iterator[None]:
    """Waits for others that open the same SQLite file: a fresh one that two initialise at once is left unusable."""
    if database is None:
        yield
        return
    name = hashlib.sha256(str(database).encode()).hexdigest()[:16]
    lock = Path(tempfile.gettempdir()) / f"actsearch-{os.getuid()}-{name}.lock"
    # The folder is everybody's: a link that somebody put there is not followed.
    with os.fdopen(os.open(lock, os.O_CREAT | os.O_WRONLY | os.O_NOFOLLOW, 0o600), "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _locked(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
