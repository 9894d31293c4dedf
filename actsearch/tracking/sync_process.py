"""Controls the separate process that writes a ledger to MLflow."""

import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from actsearch.errors import TrackingError
from actsearch.ledger import Ledger
from actsearch.tracking.store import StoreAddress, recorded_address

LOG_NAME = "tracking.log"
LOADING_SECONDS = 60.0  # MLflow, on a busy machine
SILENT_SECONDS = 15.0
UNREACHABLE_SECONDS = 3.0
_early: list[subprocess.Popen[str]] = []


@contextmanager
def started_early() -> Iterator[None]:
    """Starts the process for a `SyncProcess` created in the `with` block, so that it loads MLflow meanwhile."""
    _early.append(_start())
    try:
        yield
    finally:
        while _early:  # no SyncProcess took it
            with _early.pop() as process:
                process.kill()


class SyncProcess:
    """Starts the process that follows a ledger, and receives its answers; only `finish` waits.

    Only that process imports MLflow; its output goes to `tracking.log`. While the store is unreachable, it keeps trying
    and then catches up.

    Args:
        directory: Directory of the search, with its ledger.
        address: Store and experiment to write to.
        running: Whether another process is running the search, so that its runs stay open.
        message: Called once, from a thread, if the store is unreachable.
    """

    def __init__(
        self,
        directory: Path,
        address: StoreAddress,
        *,
        running: bool = False,
        message: Callable[[str], None] | None = None,
    ) -> None:
        self._directory = directory
        self._store = address.shown
        self._message = message
        self._experiment: dict[str, Any] = {}
        self._trouble: str | None = None
        self._patience = LOADING_SECONDS
        self._was_reported = False
        self._process = _early.pop() if _early else _start()
        job = {"directory": str(directory.absolute()), "log": LOG_NAME, "running": running}
        self._send({**job, "tracking_uri": address.tracking_uri, "experiment": address.experiment})
        self._answers: queue.Queue[dict[str, Any]] = queue.Queue()
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def finish(self) -> dict[str, Any]:
        """Signals the end of the search, and waits as long as writing makes progress.

        Returns:
            `experiment_id`, `run_id` and `trial_run_ids`; `problem` if MLflow is missing data.
        """
        self._was_reported = True  # from here on, the caller reports
        self._send("over")
        answer = self._last_answer()
        self._process.kill()
        self._listener.join()
        with suppress(BrokenPipeError):
            self._stdin.close()
        if answer["event"] == "whole":
            return self._experiment | {name: answer[name] for name in ("run_id", "trial_run_ids")}
        return self._experiment | {"problem": answer["reason"]}

    def _last_answer(self) -> dict[str, Any]:
        while True:
            patience = self._patience
            try:
                answer = self._answers.get(timeout=patience)
            except queue.Empty:
                return {"event": "failed", "reason": self._trouble or f"no answer within {patience:g} s"}
            if answer["event"] in ("whole", "failed"):
                return answer

    @property
    def _stdin(self) -> IO[str]:
        assert self._process.stdin is not None
        return self._process.stdin

    def _send(self, word: object) -> None:
        with suppress(BrokenPipeError):  # the listener notices a process that ended
            self._stdin.write(json.dumps(word) + "\n")
            self._stdin.flush()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as answers:
            for line in answers:
                self._receive(json.loads(line))
        code = self._process.wait()
        reason = f"its process ended with status {code} (see {self._directory / LOG_NAME})"
        self._receive({"event": "failed", "reason": reason})

    def _receive(self, answer: dict[str, Any]) -> None:
        event = answer["event"]
        if event == "ready":
            self._experiment = {"experiment_id": answer["experiment_id"]}
        elif event in ("unreachable", "failed"):
            self._trouble = answer["reason"]
            self._patience = UNREACHABLE_SECONDS
        elif event in ("loaded", "back"):
            self._trouble = None
            self._patience = SILENT_SECONDS
        self._answers.put(answer)
        if self._trouble and self._message and not self._was_reported:
            self._was_reported = True
            self._message(
                f"MLflow is unreachable ({self._store}): {self._trouble}. The search continues without it, and the "
                f"ledger has everything. Missing runs will be uploaded when it is back, or by "
                f"`actsearch sync {self._directory}`."
            )


def _start() -> subprocess.Popen[str]:
    """Starts the process, which waits for its job. It is not in the terminal's process group."""
    command = [sys.executable, "-P", "-m", "actsearch.tracking._sync_main", str(os.getpid())]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, process_group=0)


def sync(directory: str | Path, address: StoreAddress | None = None, *, running: bool = False) -> dict[str, Any]:
    """Uploads whatever MLflow is missing for a search, with the original times; existing data is not changed.

    Args:
        directory: Directory of the search.
        address: Another store than the one that the search was written to.
        running: Whether a process is running the search, so that its runs stay open; otherwise open runs are closed as
            KILLED.

    Returns:
        `tracking_uri`, `experiment`, `experiment_id`, `run_id`, and `trial_run_ids` by trial.

    Raises:
        LedgerError: The directory does not hold a search, or its ledger is damaged.
        UsageError: The URI cannot be that of a store, or its password is not known.
        TrackingError: The store does not answer, or another process is currently writing the search.
    """
    search = Ledger(directory).read()
    address = address or recorded_address(search.environment)
    written = SyncProcess(Path(directory), address, running=running).finish()
    if "problem" in written:
        raise TrackingError(
            f"MLflow at {address.shown} is missing data for {directory}: {written['problem']}. "
            "Fix that and rerun this command."
        )
    return address.recorded | written
