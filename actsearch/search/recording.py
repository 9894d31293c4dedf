"""The facts of a running search: its ledger, and the process that draws it into MLflow."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from actsearch.ledger import FILE_NAME, End, Ledger
from actsearch.records import SearchRecord
from actsearch.tracking.follower import Follower
from actsearch.tracking.store import StoreAddress


class Recording:
    """Where the facts of one search go.

    Training never waits for MLflow, and no search fails for it: what MLflow lacks is drawn later, by `sync`.

    Args:
        directory: The search's directory.
        address: The MLflow store and experiment.
        message: Hears, from a thread, if the store is away, and at the end if MLflow has not everything.
    """

    def __init__(self, directory: Path, address: StoreAddress, *, message: Callable[[str], None] | None = None) -> None:
        self._directory, self._address, self._message = directory, address, message
        self.mlflow: dict[str, Any] = {"tracking_uri": address.shown}

    @contextmanager
    def of(self, search: SearchRecord) -> Iterator[Ledger]:
        """The ledger while the search runs; however the search ends, its end is written and drawn.

        Raises:
            LedgerError: It cannot be written.
        """
        ledger = self._open(search)
        follower = Follower(self._directory, self._address, message=self._message)
        how, reason = "failed", None
        try:
            yield ledger
            how = "completed"
        except KeyboardInterrupt:
            how, reason = "interrupted", "interrupted from the keyboard"
            raise
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
            raise
        finally:
            try:
                ledger.append_end(End(time.time(), how, reason))
            finally:
                self._finish(follower)

    def _open(self, search: SearchRecord) -> Ledger:
        if (self._directory / FILE_NAME).exists():  # a KerasTuner search that goes on
            return Ledger(self._directory)
        ledger = Ledger(self._directory, create=True)
        ledger.append_search(replace(search, environment={**search.environment, **self._address.recorded}))
        return ledger

    def _finish(self, follower: Follower) -> None:
        self.mlflow |= follower.finish()
        if "problem" in self.mlflow and self._message:
            problem = self.mlflow["problem"]
            self._message(f"MLflow has not everything: {problem}. `actsearch sync {self._directory}` draws the rest.")
