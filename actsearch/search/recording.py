"""The facts of a running search: its ledger, and the process that draws it into MLflow."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from actsearch.ledger import FILE_NAME, End, Ledger
from actsearch.records import SearchRecord
from actsearch.tracking.follower import Follower
from actsearch.tracking.store import StoreAddress


class Recording:
    """Where the facts of one search go.

    The process that draws starts when this is made, so that MLflow is imported while the search prepares itself.

    Args:
        directory: The search's directory.
        address: The MLflow store and experiment.
    """

    def __init__(self, directory: Path, address: StoreAddress) -> None:
        self._directory = directory
        self._follower = Follower(directory, address)
        self.mlflow: dict[str, Any] = {}

    @contextmanager
    def of(self, search: SearchRecord) -> Iterator[Ledger]:
        """The ledger while the search runs; however the search ends, its end is written and drawn.

        Raises:
            UsageError: MLflow does not open the store; nothing was written.
        """
        self.mlflow = self._follower.ready()
        ledger = self._open(search)
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
            ledger.append_end(End(time.time(), how, reason))
            self.mlflow |= self._follower.finish()

    def _open(self, search: SearchRecord) -> Ledger:
        if (self._directory / FILE_NAME).exists():  # a KerasTuner search that goes on
            return Ledger(self._directory)
        ledger = Ledger(self._directory, create=True)
        ledger.append_search(search)
        return ledger
