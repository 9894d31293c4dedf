"""The directory of a search: made anew, and never another search's."""

import shutil
import time
from pathlib import Path

from actsearch.errors import UsageError
from actsearch.ledger import FILE_NAME
from actsearch.search.weights import FOLDER
from actsearch.tracking.follower import LOG_NAME

ROOT = "actsearch-runs"
ORACLE_FOLDER = "oracle"


def prepare_directory(directory: str | Path | None, name: str, *, overwrite: bool = False) -> Path:
    """The directory of a new search.

    Args:
        directory: Where it is to be; None for `actsearch-runs/TIME-NAME`.
        name: The search's name.
        overwrite: Whether a search that is there is deleted; other files are left alone.

    Raises:
        UsageError: Another search is there, or it cannot be written.
    """
    path = _unused(Path(ROOT) / f"{time.strftime('%Y%m%d-%H%M%S')}-{name}") if directory is None else Path(directory)
    if (path / FILE_NAME).exists():
        if not overwrite:
            raise UsageError(
                f"{path} holds another search. Give another --directory, or --overwrite to delete that search; "
                f"`actsearch report {path}` shows it."
            )
        _delete_search(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{path}: cannot be made: {error.strerror}. Give another --directory.") from error
    return path


def _delete_search(path: Path) -> None:
    for name in (FILE_NAME, LOG_NAME):
        (path / name).unlink(missing_ok=True)
    for name in (FOLDER, ORACLE_FOLDER):
        shutil.rmtree(path / name, ignore_errors=True)


def _unused(path: Path) -> Path:
    candidates = [path, *(path.with_name(f"{path.name}-{number}") for number in range(2, 1000))]
    return next(candidate for candidate in candidates if not candidate.exists())
