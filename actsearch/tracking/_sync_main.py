"""A process that follows a ledger and writes it to MLflow while the search trains.

Started by `SyncProcess`, which passes its own process id and writes one line of JSON to this process's standard input:
what to write, and where. The answers are lines of JSON on standard output: `loaded` when MLflow is imported, `ready`
when the store is open, `written` whenever MLflow accepted something, `unreachable` and `back` when the store fails and
recovers, and at the end `whole` or `failed`. After `whole`, it waits for another search of the same process.
"""

import gc
import json
import math
import os
import signal
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from select import select
from typing import TYPE_CHECKING, Any, TextIO

from actsearch._locks import PATIENCE_SECONDS, writing_lock
from actsearch._redact import mask, masked
from actsearch._startup import exempt_imports, resting
from actsearch.errors import shorten, summarize
from actsearch.ledger import Ledger
from actsearch.tracking.store import StoreAddress

if TYPE_CHECKING:
    from actsearch.tracking.confirmation import Confirmation
    from actsearch.tracking.writer import MLflowWriter

POLL_SECONDS = 0.1  # a look at the ledger takes 0.2 ms
PARENT_SECONDS = 1.0  # interval at which a long wait checks that the search's process is alive
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.5, 30.0
IDLE_SECONDS = 600.0  # after a search, until another one
LAST_TRIES = 4  # after the end of the search
NICENESS = 5  # while training, which takes precedence; a higher value starves this if other programs use every core
_LONGEST_REASON = 250  # characters
MLFLOW_SETTINGS = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",  # retries happen here: MLflow's own would create runs twice
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",  # seconds
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}


def main() -> None:
    """Follows a ledger until its search is over and everything is written, then that of the next search."""
    for number in (signal.SIGINT, signal.SIGHUP):  # Ctrl-C is for the search; its records must still be written
        signal.signal(number, signal.SIG_IGN)
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    sys.stdout = sys.stderr = masked(sys.stderr)
    for name, value in MLFLOW_SETTINGS.items():
        os.environ.setdefault(name, value)
    report = partial(_report, answers)
    parent = ParentProcess(int(sys.argv[1]))
    try:
        with beside_training() as background:
            background.submit(_load).result()
            job = read_job(parent)
            while job is not None:
                with _output_to(Path(job["directory"]) / job["log"]):
                    run_ids = _follow(FollowedSearch(job, parent), report, background)
                report("whole", **run_ids)
                job = read_job(parent, IDLE_SECONDS)
    except Exception as error:  # noqa: BLE001  any error is reported to the search
        report("failed", reason=explain(error))


def beside_training() -> ThreadPoolExecutor:
    """Makes the thread that works while the search trains, with a low priority.

    On Linux, where the priority is that of a thread, the main thread keeps its own, which an unprivileged process could
    not raise again: what is left when the search is over, the user waits for.
    """
    return ThreadPoolExecutor(1, initializer=os.nice, initargs=(NICENESS,))


def _load() -> None:
    """Imports MLflow and what writes to it, which takes seconds and reads the settings."""
    with resting(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # MLflow warns of its own types
        import mlflow.pyfunc  # noqa: F401  for models, when the user waits

        import actsearch.tracking.writer  # noqa: F401


def _follow(search: "FollowedSearch", report: Callable[..., None], background: ThreadPoolExecutor) -> dict[str, Any]:
    import mlflow

    with writing_lock(search.directory, search.wait_for_another):
        mlflow.set_tracking_uri(search.address.tracking_uri)  # MLflow asks it where models are registered
        report("loaded")
        return LedgerSync(search, report, background).run()


class ParentProcess:
    """The process of the search, which holds the other end of standard input.

    It is gone when that end is closed, or when this process has another parent: if the user's program has forked, a
    surviving child keeps the pipe open.

    Args:
        pid: Process id that it passed: it may be gone before this process asks for its parent.
    """

    def __init__(self, pid: int) -> None:
        self._pid = pid

    def has_spoken(self, seconds: float) -> bool:
        """Waits until it writes a line or is gone; returns False if neither happens within this time."""
        until = time.monotonic() + seconds
        while True:
            left = max(until - time.monotonic(), 0.0)
            said, _, _ = select([0], [], [], min(left, PARENT_SECONDS))
            if said or self.is_gone:
                return True
            if left <= PARENT_SECONDS:
                return False

    @property
    def is_gone(self) -> bool:
        """Whether the process ended."""
        return os.getppid() != self._pid


def read_job(parent: ParentProcess, seconds: float = math.inf) -> dict[str, Any] | None:
    """Waits for a job: what to write, and where.

    Args:
        parent: Process that sends it, after the end of an earlier one.
        seconds: How long to wait for it.

    Returns:
        The job; None if there is none in this time, or the search's process ends without sending one.
    """
    until = time.monotonic() + seconds
    while True:
        while not parent.has_spoken(PARENT_SECONDS):
            if time.monotonic() > until:
                return None
        if not select([0], [], [], 0)[0]:  # the parent is gone, and its children keep the pipe open
            return None
        with open(0, "rb", buffering=0, closefd=False) as stream:  # unbuffered: reads only this line
            line = stream.readline()
        if not line:
            return None
        said = json.loads(line)
        if isinstance(said, dict):
            return said


@contextmanager
def _output_to(file: Path) -> Iterator[None]:
    """Appends all output to a file in a `with` block."""
    kept = [os.dup(number) for number in (1, 2)]
    with file.open("ab") as log:
        for number in (1, 2):
            os.dup2(log.fileno(), number)
    try:
        yield
    finally:
        for number, before in zip((1, 2), kept, strict=True):
            os.dup2(before, number)
            os.close(before)


class FollowedSearch:
    """The search whose ledger is followed.

    It `is_running_elsewhere` if another process runs it, so that only its records so far are to be written. It
    `is_thorough` if all runs are to be looked up, even if nothing is new.

    Args:
        job: What to write, and where.
        parent: Process that runs the search, or that asks to upload what MLflow lacks.
    """

    def __init__(self, job: Mapping[str, Any], parent: ParentProcess) -> None:
        self._parent = parent
        self.directory = Path(job["directory"])
        self.address = StoreAddress(job["tracking_uri"], job["experiment"])
        self.is_running_elsewhere, self.is_thorough = bool(job["running"]), bool(job["thorough"])
        self._over_at: float | None = None

    @property
    def is_over(self) -> bool:
        """Whether its process signalled the end, or is gone."""
        return self._over_at is not None

    def is_over_now(self) -> bool:
        """Looks whether its process has signalled the end, or is gone, since it was last waited for."""
        self.wait(0.0)
        return self.is_over

    @property
    def seconds_over(self) -> float:
        """Seconds since the search was over; 0 before."""
        return 0.0 if self._over_at is None else time.monotonic() - self._over_at

    def wait(self, seconds: float) -> None:
        """Waits for this time, or until the search is over."""
        if self.is_over:
            time.sleep(seconds)
        elif self._parent.has_spoken(seconds):
            self._over_at = time.monotonic()

    def wait_for_another(self) -> bool:
        """Waits a moment while another process writes this search; returns False if waiting longer is useless."""
        self.wait(0.2)
        return not self.is_over or (not self.is_running_elsewhere and self.seconds_over < PATIENCE_SECONDS)


class LedgerSync:
    """Writes the ledger to MLflow, and starts over if the store fails; what is already written is not changed.

    Args:
        search: The search to follow.
        report: Called with an event and its values.
        background: Thread that writes until the search is over, in a process that may fork; if omitted, the caller's
            thread writes, and nothing forks.
    """

    def __init__(
        self, search: FollowedSearch, report: Callable[..., None], background: ThreadPoolExecutor | None = None
    ) -> None:
        self._search = search
        self._report = report
        self._background = background
        self._writer: MLflowWriter | None = None
        self._confirmation: Confirmation | None = None  # as long as nothing is new
        self._last = self._failures = self._num_last_tries = 0
        self._is_unreachable = False

    def run(self) -> dict[str, Any]:
        """Writes until the search is over and everything is written.

        Returns:
            Ids of the runs, as `MLflowWriter.run_ids` has them.

        Raises:
            Exception: The store still fails after the end of the search.
        """
        pause = 0.0
        while True:
            self._search.wait(pause)
            over = self._search.is_over  # checked before reading, so that the last records are read too
            try:
                beside = None if over else self._background
                ids = beside.submit(self._write, over).result() if beside else self._write(over)
            except Exception as error:
                self._num_last_tries += over
                if self._num_last_tries == LAST_TRIES:
                    raise
                pause = self._failed(error, over)
                continue
            if self._is_unreachable:
                self._report("back")
            if over:
                return ids
            self._failures = 0
            self._is_unreachable = False
            pause = 0.0 if self._search.is_over else POLL_SECONDS

    def _write(self, over: bool) -> dict[str, Any]:
        """Writes what is new; returns the ids of the runs once the search is over."""
        from actsearch.tracking.confirmation import confirm

        ledger = Ledger(self._search.directory)
        known = self._confirmation
        if known is not None and ledger.facts(after=known.num_facts):
            known = self._confirmation = None
        if known is None and self._writer is None:
            known = self._open(ledger)
        if known is not None:
            return known.ids
        assert self._writer is not None
        facts = ledger.facts(after=self._last)
        self._last += self._writer.write(facts, stop=None if over else self._search.is_over_now)
        if over and not self._search.is_running_elsewhere:
            self._writer.close()
            if (whole := self._writer.confirmation(self._last)) is not None:
                confirm(ledger, self._search.address, whole)
        return self._writer.run_ids if over else {}  # a writer that was stopped may not have any yet

    def _open(self, ledger: Ledger) -> "Confirmation | None":
        """Opens the store, and a writer unless the store is confirmed to have everything."""
        from actsearch.tracking.confirmation import confirmed
        from actsearch.tracking.runs import open_store
        from actsearch.tracking.writer import MLflowWriter

        with resting():  # MLflow imports the modules of the store
            client, experiment_id = open_store(self._search.address)
        if not gc.get_freeze_count():
            exempt_imports()  # otherwise the last collection scans MLflow while the user waits: 0.4 s
        self._report("ready", experiment_id=experiment_id)
        if not (self._search.is_thorough or self._failures):
            known = confirmed(ledger, self._search.address)
            if known is not None and not ledger.facts(after=known.num_facts) and known.holds(client, experiment_id):
                self._confirmation = known
                return known
        may_fork, written = self._background is not None, partial(self._report, "written")
        self._writer = MLflowWriter(client, experiment_id, ledger, written, may_fork=may_fork)
        self._last = 0
        return None

    def _failed(self, error: Exception, over: bool) -> float:
        """Handles a failure; returns the seconds before the next try. A first failure while writing is not reported."""
        serious = over or self._writer is None or self._failures > 0
        self._failures += 1
        self._writer = self._confirmation = None
        if serious and not self._is_unreachable:
            self._is_unreachable = True
            traceback.print_exception(error)
            self._report("unreachable", reason=explain(error))
        longest = FIRST_PAUSE_SECONDS if over else LONGEST_PAUSE_SECONDS
        return min(FIRST_PAUSE_SECONDS * 2.0 ** min(self._failures - 1, 9), longest)


def explain(error: BaseException) -> str:
    """Summarizes an error in one line, without credentials: the root cause if the system failed, else MLflow's."""
    root = error
    while inner := root.__cause__ or root.__context__:
        root = inner
    text = mask(summarize(root if isinstance(root, OSError) else error))  # before shortening, which may cut an address
    return shorten(text, _LONGEST_REASON)


def _report(stream: TextIO, event: str, **values: Any) -> None:
    with suppress(BrokenPipeError):  # the search's process is gone
        print(json.dumps({"event": event, **values}), file=stream, flush=True)


if __name__ == "__main__":
    main()
