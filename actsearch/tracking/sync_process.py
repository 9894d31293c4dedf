"""Controls the separate process that writes a ledger to MLflow."""

import atexit
import json
import os
import queue
import shlex
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import psutil

from actsearch.errors import IncompleteStoreError
from actsearch.ledger import Ledger
from actsearch.tracking.store import StoreAddress, recorded_address

LOG_NAME = "tracking.log"
SILENT_SECONDS = 15.0  # after which the process must have worked to be waited for
WORKED_SECONDS = 0.05  # of processor time; waiting for a locked database takes 0.003
UNREACHABLE_SECONDS = 3.0
KEPT_SECONDS = 300.0  # the process itself waits twice as long
Process = subprocess.Popen[str]
_early: list[Process] = []
_lock = threading.Lock()  # several threads may search
_kept: list[tuple[Process, tuple[Any, ...], float]] = []  # at most one, with its surroundings and since when


@contextmanager
def started_early(address: StoreAddress | None = None) -> Iterator[None]:
    """Starts the process for a `SyncProcess` created in the `with` block, so that it loads MLflow meanwhile.

    If one was started that no `SyncProcess` has taken yet, or an earlier search to this store has left one, the block
    uses that.
    """
    if _early or (address is not None and _is_kept_for(address)):
        yield
        return
    _early.append(_start())
    try:
        yield
    finally:
        while _early:  # no SyncProcess took it
            _end(_early.pop())


class SyncProcess:
    """Starts the process that follows a ledger, and receives its answers; only `finish` waits.

    Only that process imports MLflow; its output goes to `tracking.log`. While the store is unreachable, it keeps trying
    and then catches up. When everything is written, it waits some minutes for another search to the same store, which
    then need not load MLflow; it ends with this process, however that ends.

    Args:
        directory: Directory of the search, with its ledger.
        address: Store and experiment to write to.
        running: Whether another process is running the search, so that its runs stay open.
        thorough: Whether all runs are looked up, even if they were found complete at an earlier end of the search.
        message: Called once, from a thread, if the store is unreachable.
    """

    def __init__(
        self,
        directory: Path,
        address: StoreAddress,
        *,
        running: bool = False,
        thorough: bool = False,
        message: Callable[[str], None] | None = None,
    ) -> None:
        self._directory = directory
        self._address = address
        self._message = message
        self._experiment: dict[str, Any] = {}
        self._trouble: str | None = None
        self._patience = SILENT_SECONDS
        self._was_reported = self._has_written = self._has_said_so = False
        self._process = _taken(address) or (_early.pop() if _early else _start())
        job = {"directory": str(directory.absolute()), "log": LOG_NAME, "running": running, "thorough": thorough}
        self._send({**job, "tracking_uri": address.tracking_uri, "experiment": address.experiment})
        self._answers: queue.Queue[dict[str, Any]] = queue.Queue()
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def finish(self) -> dict[str, Any]:
        """Signals the end of the search, and waits as long as the process works.

        A process that neither answers nor uses the processor or the disk is ended.

        Returns:
            `experiment_id`, `run_id` and `trial_run_ids`; `problem` if MLflow is missing data, with what is missing.
        """
        self._was_reported = True  # from here on, the caller reports
        self._send("over")
        answer = self._last_answer()
        if answer["event"] != "whole":
            self._process.kill()
        self._listener.join()
        _keep(self._process, self._address)
        if answer["event"] == "whole":
            return self._experiment | {name: answer[name] for name in ("run_id", "trial_run_ids")}
        missing = "some records of this run" if self._has_written else "everything of this run"
        return self._experiment | {"problem": f"{missing} ({answer['reason']})"}

    def _last_answer(self) -> dict[str, Any]:
        work = Work(self._process.pid)
        while True:
            patience = self._patience
            try:
                answer = self._answers.get(timeout=patience)
            except queue.Empty:
                if self._trouble is None and work.goes_forward():
                    self._say_once_that_it_works()
                    continue
                return {"event": "failed", "reason": self._trouble or f"no answer and no work within {patience:g} s"}
            if answer["event"] in ("whole", "failed"):
                return answer

    def _say_once_that_it_works(self) -> None:
        if self._message and not self._has_said_so:
            self._has_said_so = True
            self._message("Waiting for MLflow, which is slow on this machine now, but works. Ctrl-C ends the wait.")

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
        for line in self._process.stdout:
            answer = json.loads(line)
            self._receive(answer)
            if answer["event"] == "whole":  # it has nothing to say until the next search
                return
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
        elif event == "written":
            self._has_written = True
        elif event in ("loaded", "back"):
            self._trouble = None
            self._patience = SILENT_SECONDS
        self._answers.put(answer)
        if self._trouble and self._message and not self._was_reported:
            self._was_reported = True
            self._message(
                f"MLflow is unreachable ({self._address.shown}): {self._trouble}. The search continues without it, and "
                f"the ledger has everything. Missing runs will be uploaded when it is back, or by "
                f"`actsearch sync {shlex.quote(str(self._directory))}`."
            )


class Work:
    """Tells a process that works slowly from one that hangs.

    Args:
        pid: Its process id. Its children count too: some draw pictures.
    """

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._seconds, _ = self._now()

    def goes_forward(self) -> bool:
        """Returns whether it has used the processor since the last look, waits for it, or reads or writes files."""
        before = self._seconds
        self._seconds, is_waiting = self._now()
        return is_waiting or self._seconds - before >= WORKED_SECONDS

    def _now(self) -> tuple[float, bool]:
        """Returns the processor time so far, and whether it waits for the processor or the disk."""
        try:
            process = psutil.Process(self._pid)
            family = [process, *process.children(recursive=True)]
            seconds = sum(sum(each.cpu_times()[:4]) for each in family)
            return seconds, any(each.status() in (psutil.STATUS_RUNNING, psutil.STATUS_DISK_SLEEP) for each in family)
        except psutil.Error:  # it has ended, which the listener reports
            return 0.0, False


def _start() -> Process:
    """Starts the process, which waits for its job. It is not in the terminal's process group."""
    command = [sys.executable, "-P", "-m", "actsearch.tracking._sync_main", str(os.getpid())]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, process_group=0)


def _end(process: Process) -> None:
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        assert pipe is not None
        with suppress(BrokenPipeError):
            pipe.close()


def _keep(process: Process, address: StoreAddress) -> None:
    """Keeps a process that has written everything for the next search to the same store; ends any other."""
    surroundings = _surroundings(address)
    with _lock:
        end_kept()
        if process.poll() is None and surroundings is not None and KEPT_SECONDS:
            _kept.append((process, surroundings, time.monotonic()))
        else:
            _end(process)


def _is_kept_for(address: StoreAddress) -> bool:
    """Returns whether there is a process that was left for this store, and ends one that is of no use any more."""
    for process, surroundings, since in list(_kept):
        is_young = time.monotonic() - since < KEPT_SECONDS
        if process.poll() is None and is_young and surroundings == _surroundings(address):
            return True
    end_kept()
    return False


def _taken(address: StoreAddress) -> Process | None:
    with _lock:
        return _kept.pop()[0] if _is_kept_for(address) else None


@atexit.register
def end_kept() -> None:
    """Ends the process that waits for another search, if there is one."""
    while _kept:
        process, (owner, *_), _ = _kept.pop()
        if owner == os.getpid():  # in a fork of the user's program, it belongs to the original
            _end(process)


def _surroundings(address: StoreAddress) -> tuple[Any, ...] | None:
    """Returns what must be the same for two searches to share a process; None if it cannot be told.

    A database that was deleted and created again is another file, of which a process that had it open knows nothing.
    """
    try:
        file = address.database.stat() if address.database else None
        identity = (file.st_dev, file.st_ino) if file else None
        return os.getpid(), Path.cwd(), dict(os.environ), address.tracking_uri, identity
    except FileNotFoundError:
        return None


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
        IncompleteStoreError: The store does not answer, or another process is currently writing the search.
    """
    search = Ledger(directory).read()
    address = address or recorded_address(search.environment)
    written = SyncProcess(Path(directory), address, running=running, thorough=True).finish()
    if "problem" in written:
        raise IncompleteStoreError(
            f"MLflow at {address.shown} is missing data for {directory}: {written['problem']}. "
            "Fix that and rerun this command."
        )
    return address.recorded | written
