"""This side of the process that draws a ledger into MLflow."""

import json
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
AWAY_SECONDS = 3.0
_early: list[subprocess.Popen[str]] = []


@contextmanager
def started_early() -> Iterator[None]:
    """The process for a follower that is made in the block loads MLflow from now on, beside other imports."""
    _early.append(_start())
    try:
        yield
    finally:
        while _early:  # nobody needed it
            with _early.pop() as process:
                process.kill()


class Follower:
    """Starts the process that follows a ledger, and hears its answers; nothing here ever waits but `finish`.

    The process has MLflow to itself, and its output goes to `tracking.log`. It outlives a store that goes away: it
    tries again, and catches up.

    Args:
        directory: The search's directory, with its ledger.
        address: The store and experiment to draw into.
        goes_on: Whether another process runs the search: its runs stay open.
        message: Hears once, from a thread, that the store is away.
    """

    def __init__(
        self,
        directory: Path,
        address: StoreAddress,
        *,
        goes_on: bool = False,
        message: Callable[[str], None] | None = None,
    ) -> None:
        self._directory, self._store, self._message = directory, address.shown, message
        self._experiment: dict[str, Any] = {}
        self._trouble: str | None = None
        self._patience = LOADING_SECONDS
        self._was_told = False
        self._process = _early.pop() if _early else _start()
        order = {"directory": str(directory.absolute()), "log": LOG_NAME, "goes_on": goes_on}
        self._say({**order, "tracking_uri": address.tracking_uri, "experiment": address.experiment})
        self._answers: queue.Queue[dict[str, Any]] = queue.Queue()
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def finish(self) -> dict[str, Any]:
        """Says that the search is over, and waits as long as its drawing goes on.

        Returns:
            `experiment_id`, `run_id` and `trial_run_ids`; `problem` where MLflow has not everything.
        """
        self._was_told = True  # from here on, who called this tells
        self._say("over")
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

    def _say(self, word: object) -> None:
        with suppress(BrokenPipeError):  # the listener hears of a process that ended
            self._stdin.write(json.dumps(word) + "\n")
            self._stdin.flush()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as answers:
            for line in answers:
                self._hear(json.loads(line))
        code = self._process.wait()
        reason = f"its process ended with status {code} (see {self._directory / LOG_NAME})"
        self._hear({"event": "failed", "reason": reason})

    def _hear(self, answer: dict[str, Any]) -> None:
        event = answer["event"]
        if event == "ready":
            self._experiment = {"experiment_id": answer["experiment_id"]}
        elif event in ("away", "failed"):
            self._trouble, self._patience = answer["reason"], AWAY_SECONDS
        elif event in ("loaded", "back"):
            self._trouble, self._patience = None, SILENT_SECONDS
        self._answers.put(answer)
        if self._trouble and self._message and not self._was_told:
            self._was_told = True
            self._message(
                f"MLflow is away ({self._store}): {self._trouble}. The search goes on without it, and the ledger has "
                f"everything. What MLflow lacks is drawn when it is back, or by `actsearch sync {self._directory}`."
            )


def _start() -> subprocess.Popen[str]:
    """The process, which waits for its order; it has an environment of now, and its group is not the terminal's."""
    command = [sys.executable, "-P", "-m", "actsearch.tracking._sync_main"]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, process_group=0)


def sync(directory: str | Path, address: StoreAddress | None = None, *, running: bool = False) -> dict[str, Any]:
    """Draws what MLflow lacks of a search, with its original times; what is drawn already is left alone.

    Args:
        directory: The search's directory.
        address: Another store than the one that the search was drawn into.
        running: Whether a process runs the search: its runs stay open. Else those that it left open are closed as
            KILLED.

    Returns:
        `tracking_uri`, `experiment`, `experiment_id`, `run_id`, and `trial_run_ids` by trial.

    Raises:
        LedgerError: There is no search, or its ledger is damaged.
        UsageError: The store cannot be meant, or its password is not known.
        TrackingError: The store does not answer, or another process draws the search at the moment.
    """
    search = Ledger(directory).read()
    address = address or recorded_address(search.environment)
    drawn = Follower(Path(directory), address, goes_on=running).finish()
    if "problem" in drawn:
        raise TrackingError(
            f"MLflow, {address.shown}, has not everything of {directory}: {drawn['problem']}. "
            "Once that is mended, the same command goes on."
        )
    return address.recorded | drawn
