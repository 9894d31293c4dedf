"""A process that follows a ledger and draws it into MLflow while the search trains.

Started by `Follower`; it answers in lines of JSON on its standard output: `ready` or `refused` once, then `drawn`
or `failed` at the end.
"""

import hashlib
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from actsearch.errors import TrackingError
from actsearch.ledger import FILE_NAME, End, Kind, Ledger, parse
from actsearch.tracking.store import StoreAddress

POLL_SECONDS = 0.2


def main() -> None:
    """Follows the ledger of `argv[1]` into the store `argv[2]`, experiment `argv[3]`, until it has an end."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the search; what it wrote is still to be drawn
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    directory, uri, experiment = sys.argv[1:]
    address = StoreAddress(uri, experiment)
    try:
        drawing, experiment_id = _open(address)
    except Exception as error:  # noqa: BLE001  whatever MLflow raises, the search is told
        _answer(answers, "refused", reason=f"{type(error).__name__}: {error}")
        return
    _answer(answers, "ready", tracking_uri=uri, experiment_id=experiment_id)
    try:
        _follow(Path(directory), drawing, lambda: _answer(answers, "progress"))
    except Exception as error:  # noqa: BLE001
        _answer(answers, "failed", reason=f"{type(error).__name__}: {error}")
        return
    _answer(answers, "drawn", **drawing.run_ids)


def _open(address: StoreAddress) -> tuple[Any, str]:
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    with _only_one(address.database):
        from mlflow import MlflowClient

        from actsearch.tracking.mlflow import Drawing, open_experiment

        client = MlflowClient(tracking_uri=address.tracking_uri)
        experiment_id = open_experiment(client, address)
    return Drawing(client, experiment_id), experiment_id


@contextmanager
def _only_one(database: Path | None) -> Iterator[None]:
    """A fresh SQLite file that two processes initialise at once is left unusable."""
    if database is None:
        yield
        return
    import fcntl

    if not database.parent.is_dir():
        raise TrackingError(f"the folder {database.parent} does not exist")
    name = hashlib.sha256(str(database).encode()).hexdigest()[:16]
    lock = Path(tempfile.gettempdir()) / f"actsearch-{os.getuid()}-{name}.lock"
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _follow(directory: Path, drawing: Any, progress: Callable[[], None]) -> None:
    parent, last, began = os.getppid(), 0, time.time()
    while not (directory / FILE_NAME).exists():  # the search begins its ledger when the store has answered
        if os.getppid() != parent:
            return
        time.sleep(POLL_SECONDS)
    ledger = Ledger(directory)
    while True:
        orphaned = os.getppid() != parent  # asked before reading: what a dying search wrote last is read still
        facts = ledger.facts(after=last)
        for fact in facts:
            drawing.draw([fact])
            progress()
        if facts:
            last = facts[-1].number
        if any(parse(fact, End).at >= began for fact in facts if fact.kind is Kind.END):  # not that of an earlier part
            return
        if orphaned:
            drawing.close(End(time.time(), "interrupted", "the search's process ended without a word"))
            return
        time.sleep(POLL_SECONDS)


def _answer(stream: TextIO, event: str, **values: Any) -> None:
    print(json.dumps({"event": event, **values}), file=stream, flush=True)


if __name__ == "__main__":
    main()
