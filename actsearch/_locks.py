"""Locks between processes. The operating system releases them however their holder ends, so none is ever stale."""

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
OWNER_NAME = "search.owner"  # a separate file, since an attempt to lock may empty the lock's file
WRITER_NAME = "tracking.lock"
PATIENCE_SECONDS = 30.0  # another process may still be loading MLflow, on a busy machine


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Holds the lock on searching in a directory.

    Raises:
        UsageError: Another process holds it; the message says which.
    """
    owner = directory / OWNER_NAME
    lock = FileLock(directory / FILE_NAME)
    try:
        lock.acquire(blocking=False)
    except Timeout as error:
        holder = owner.read_text("utf-8").strip() if owner.exists() else "it has just started"
        raise UsageError(
            f"{directory}: another process is searching here ({holder}). Wait until it ends, or use another "
            "--directory."
        ) from error
    try:
        owner.write_text(f"process {os.getpid()} on {socket.gethostname()}\n", "utf-8")
        yield
    finally:
        owner.unlink(missing_ok=True)
        lock.release()


def is_locked(directory: Path) -> bool:
    """Returns whether a process is searching in the directory now."""
    try:
        with locked(directory):
            return False
    except UsageError:
        return True


@contextmanager
def writing_lock(directory: Path, wait: Callable[[], bool]) -> Iterator[None]:
    """Holds the lock on writing the search in a directory to MLflow.

    Args:
        directory: Directory of the search.
        wait: Called while another process holds the lock: waits, and returns whether to try again.

    Raises:
        TrackingError: Another process is writing the search, and `wait` returned False.
    """
    lock = FileLock(directory / WRITER_NAME)
    while not _acquired(lock):
        if not wait():
            raise TrackingError("another process is writing this search to MLflow")
    try:
        yield
    finally:
        lock.release()


@contextmanager
def creation_lock(database: Path | None) -> Iterator[None]:
    """Waits for other processes that open the same SQLite file: initialising a new one concurrently breaks it."""
    if database is None:
        yield
        return
    name = hashlib.sha256(str(database).encode()).hexdigest()[:16]
    # The folder is shared by all users; filelock does not follow a link that another user placed there.
    with FileLock(Path(tempfile.gettempdir()) / f"actsearch-{os.getuid()}-{name}.lock", mode=0o600):
        yield


def _acquired(lock: FileLock) -> bool:
    try:
        lock.acquire(blocking=False)
    except Timeout:
        return False
    return True
