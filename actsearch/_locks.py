"""Locks between processes; the system frees them however their holder ends, so none is ever stale."""

import hashlib
import os
import socket
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from actsearch.errors import TrackingError, UsageError

FILE_NAME = "search.lock"
OWNER_NAME = "search.owner"  # a file of its own: whoever asks for a lock may empty the lock's file
WRITER_NAME = "tracking.lock"
PATIENCE_SECONDS = 30.0  # another process may just be loading MLflow, on a busy machine


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Holds the right to search in a directory.

    Raises:
        UsageError: Another process has it; the message says which.
    """
    owner = directory / OWNER_NAME
    lock = FileLock(directory / FILE_NAME)
    try:
        lock.acquire(blocking=False)
    except Timeout as error:
        holder = owner.read_text("utf-8").strip() if owner.exists() else "it has just begun"
        raise UsageError(
            f"{directory}: another process is searching here ({holder}). Wait for its end, or give another --directory."
        ) from error
    try:
        owner.write_text(f"process {os.getpid()} on {socket.gethostname()}\n", "utf-8")
        yield
    finally:
        owner.unlink(missing_ok=True)
        lock.release()


def is_locked(directory: Path) -> bool:
    """Whether a process is searching in the directory now."""
    try:
        with locked(directory):
            return False
    except UsageError:
        return True


@contextmanager
def writing_lock(directory: Path, wait: Callable[[], bool]) -> Iterator[None]:
    """Holds the right to write the search in a directory to MLflow.

    Args:
        directory: The search's directory.
        wait: Called while another process has it: waits, and says whether to ask again.

    Raises:
        TrackingError: Another process writes the search, and `wait` said no.
    """
    lock = FileLock(directory / WRITER_NAME)
    while not _acquired(lock):
        if not wait():
            raise TrackingError("another process is writing this search to MLflow at the moment")
    try:
        yield
    finally:
        lock.release()


@contextmanager
def creation_lock(database: Path | None) -> Iterator[None]:
    """Waits for others that open the same SQLite file: a fresh one that two initialise at once is left unusable."""
    if database is None:
        yield
        return
    name = hashlib.sha256(str(database).encode()).hexdigest()[:16]
    # The folder is everybody's: filelock does not follow a link that somebody put there.
    with FileLock(Path(tempfile.gettempdir()) / f"actsearch-{os.getuid()}-{name}.lock", mode=0o600):
        yield


def _acquired(lock: FileLock) -> bool:
    try:
        lock.acquire(blocking=False)
    except Timeout:
        return False
    return True
