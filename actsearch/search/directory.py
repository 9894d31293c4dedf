"""The directory of a search."""

import os
import re
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from actsearch.errors import TrackingError, UsageError
from actsearch.ledger import FILE_NAME, delete_files
from actsearch.search.lock import locked
from actsearch.search.weights import FOLDER as WEIGHTS
from actsearch.tracking.alone import PATIENCE_SECONDS, drawing_alone
from actsearch.tracking.files import FOLDER as MODELS
from actsearch.tracking.follower import LOG_NAME

ROOT = "actsearch-runs"
ORACLE_FOLDER = "oracle"
_MAX_NAME = 40


def prepare_directory(directory: str | Path | None, name: str, *, overwrite: bool = False) -> Path:
    """The directory of a search: a new one, or that of one that goes on.

    Args:
        directory: Where it is to be; None for `actsearch-runs/TIME-NAME`.
        name: The search's name; what a file's name should not have becomes a dash.
        overwrite: Whether a search that is there is deleted; other files are left alone.

    Raises:
        UsageError: Another process is searching there, or still draws what is to be deleted, or it cannot be written.
    """
    path = _unused(name) if directory is None else Path(directory)
    try:
        if overwrite and (path / FILE_NAME).exists():
            with locked(path), drawing_alone(path, _patience(PATIENCE_SECONDS)):
                _delete_search(path)
        path.mkdir(parents=True, exist_ok=True)
    except TrackingError as error:
        raise UsageError(f"{path}: {error}. Wait for its end, or give another --directory.") from error
    except OSError as error:
        raise UsageError(f"{path}: cannot be used: {error.strerror}. Give another --directory.") from error
    if not os.access(path, os.W_OK | os.X_OK):
        raise UsageError(f"{path}: cannot be written by this user. Give another --directory, or make it writable.")
    return path


def _patience(seconds: float) -> Callable[[], bool]:
    """Waits a moment at each call, and says whether there is time for another."""
    end = time.monotonic() + seconds

    def wait() -> bool:
        time.sleep(0.1)
        return time.monotonic() < end

    return wait


def _delete_search(path: Path) -> None:
    """Deletes what a search wrote, the ledger last: while it is there, the directory is known as a search's."""
    (path / LOG_NAME).unlink(missing_ok=True)
    for name in (WEIGHTS, MODELS, ORACLE_FOLDER):
        if (path / name).exists():
            shutil.rmtree(path / name)
    delete_files(path / FILE_NAME)


def _unused(name: str) -> Path:
    plain = re.sub(r"[^\w.-]+", "-", name)[:_MAX_NAME]
    path = Path(ROOT) / f"{time.strftime('%Y%m%d-%H%M%S')}-{plain}"
    candidates = [path, *(path.with_name(f"{path.name}-{number}") for number in range(2, 1000))]
    return next(candidate for candidate in candidates if not candidate.exists())
