"""A fresh SQLite store as a copy of one that MLflow made before.

MLflow creates the tables of a new store by running all its migrations, which takes a second or two, a third of a small
search. The first time, the empty store that comes out is kept in the user's cache folder; later ones are copies of it.
It belongs to one version of MLflow, which checks the schema of every store that it opens.
"""

import os
import sqlite3
from contextlib import closing, suppress
from pathlib import Path

from mlflow import MlflowClient
from mlflow import __version__ as mlflow_version
from mlflow.exceptions import MlflowException


def opened(tracking_uri: str, database: Path | None) -> MlflowClient:
    """Returns a client of a store, which is created if it is missing; hold the `creation_lock`.

    Args:
        tracking_uri: Address of the store.
        database: Its SQLite file; None for any other store.
    """
    is_new = database is not None and not (database.exists() and database.stat().st_size)
    if database is not None and is_new and _copied(kept_store(), database):
        try:
            return _client(tracking_uri)
        except (MlflowException, sqlite3.Error):
            database.unlink()  # the kept one is damaged, or another version of MLflow made it
            kept_store().unlink(missing_ok=True)
    client = _client(tracking_uri)
    if database is not None and is_new:
        with suppress(OSError, sqlite3.Error):  # without it, the next store takes longer
            _keep(database, kept_store())
    return client


def kept_store() -> Path:
    """Returns the file of the kept store."""
    folder = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(folder) / "actsearch" / f"mlflow-{mlflow_version}.db"


def _client(tracking_uri: str) -> MlflowClient:
    client = MlflowClient(tracking_uri=tracking_uri)
    client.search_experiments(max_results=1)  # opens the store
    return client


def _copied(kept: Path, database: Path) -> bool:
    """Copies the kept store; returns whether there is one."""
    unfinished = database.with_name(f"{database.name}.unfinished")
    try:
        unfinished.write_bytes(kept.read_bytes())
        unfinished.replace(database)
    except OSError:
        unfinished.unlink(missing_ok=True)
        return False
    return True


def _keep(database: Path, kept: Path) -> None:
    """Keeps a copy of an empty store, without the experiment whose artifacts would be where this store's are."""
    kept.parent.mkdir(parents=True, exist_ok=True)
    unfinished = kept.with_name(f"{kept.name}.{os.getpid()}")
    try:
        with closing(sqlite3.connect(database)) as source, closing(sqlite3.connect(unfinished)) as copy:
            source.backup(copy)
            with copy:
                copy.execute("DELETE FROM experiments")
        unfinished.replace(kept)
    finally:
        unfinished.unlink(missing_ok=True)
