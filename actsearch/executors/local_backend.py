"""Workers that are child processes of this process, each with a separate connection."""

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from multiprocessing import Pipe
from multiprocessing.connection import wait
from typing import Any

from actsearch.environment import num_cores
from actsearch.executors.serialization import Job, Lost, Payload
from actsearch.executors.worker import share_gpus
from actsearch.records import ExecutionRequest

_MAIN = "import sys; sys.path[:] = sys.argv[3:]; from actsearch.executors.worker import main; main()"
_ENDING_SECONDS = 10.0


class WorkerProcess:
    """A process that imports TensorFlow and then waits for calls; what it prints goes to standard error.

    Ctrl-C does not reach it. It ends when this process ends, however that happens; on Linux, already when the thread
    that started it ends.
    """

    def __init__(self) -> None:
        self.connection, other_end = Pipe()
        arguments = [str(other_end.fileno()), str(os.getpid()), *sys.path]
        with other_end:
            self._process = subprocess.Popen(
                [sys.executable, "-X", "faulthandler", "-c", _MAIN, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=2,
                pass_fds=[other_end.fileno()],
                start_new_session=True,
            )
        self._was_idle = False

    def call(self, method: str, *arguments: Any) -> None:
        """Calls a method of its `Worker`; if the process has already ended, `answer` reports that."""
        try:
            if self._has_ended:
                raise BrokenPipeError
            Payload.pack((method, *arguments)).send(self.connection)
        except OSError:
            self._was_idle = True

    @property
    def has_answered(self) -> bool:
        """Whether it has answered or ended; after its end, processes that it started may keep the connection open."""
        return self._was_idle or self.connection.poll() or self._has_ended

    def answer(self) -> Any:
        """Returns the result of the method, or `Lost` if the process has ended."""
        try:
            if self._was_idle or not self.connection.poll():
                raise EOFError
            return Payload.receive(self.connection).unpack()
        except (EOFError, ConnectionError):
            return Lost(self._ending(), self._was_idle)

    def close(self) -> None:
        """Ends the process and the processes that it started."""
        with suppress(ProcessLookupError, PermissionError):  # macOS refuses if only an ended process is left
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.kill()
        self._process.wait()
        self.connection.close()

    @property
    def _has_ended(self) -> bool:
        return self._process.poll() is not None

    def _ending(self) -> str:
        """Describes how the process ended."""
        try:
            status = self._process.wait(timeout=_ENDING_SECONDS)
        except subprocess.TimeoutExpired:
            return "the process closed its connection to the search"
        if status >= 0:
            return f"the process ended with status {status}"
        hint = ", which the system sends when memory runs out" if status == -signal.SIGKILL else ""
        names = {known.value: known.name for known in signal.Signals}  # not every real-time signal has one
        return f"the process was ended by {names.get(-status, 'signal')} ({-status}){hint}"


class LocalBackend:
    """Starts, watches and ends child processes of this one. Started early, they import TensorFlow while it does.

    Each gets an equal share of the cores for TensorFlow's threads; with a single worker, TensorFlow chooses. On a GPU,
    all workers allocate memory on demand; a process that used the GPU earlier keeps all of its memory.

    No worker is kept in reserve: it would take some 700 MB, and importing TensorFlow during an execution would distort
    its measurements.

    Args:
        num: Number of workers.
    """

    def __init__(self, num: int) -> None:
        share_gpus()
        self.num = num
        self._num_threads = max(1, num_cores() // num) if num > 1 else 0
        self._workers: set[WorkerProcess] = set()
        self._fresh: list[WorkerProcess] = []
        self._job: Job | None = None

    def start(self) -> None:
        """Starts the processes; a second call does nothing."""
        if not self._workers:
            self._fresh = [self._started() for _ in range(self.num)]

    def differences(self) -> list[str]:
        """Returns no differences: the workers are on this machine."""
        return []

    def send(self, job: Job) -> None:
        """Keeps the search for the workers that will begin."""
        self._job = job

    def hire(self) -> WorkerProcess:
        """Returns a worker that has not been hired before."""
        return self._fresh.pop() if self._fresh else self._started()

    def begin(self, worker: WorkerProcess) -> WorkerProcess:
        """Asks a worker to get ready. The worker identifies the call, since it has only one at a time."""
        worker.call("begin", self._job, self._num_threads)
        return worker

    def run(self, worker: WorkerProcess, request: ExecutionRequest) -> WorkerProcess:
        """Asks a worker to run an execution."""
        worker.call("run", request)
        return worker

    def answers(self, calls: Sequence[WorkerProcess], seconds: float) -> list[tuple[WorkerProcess, Any]]:
        """Waits at most `seconds` until a worker answers or its connection ends."""
        if not any(worker.has_answered for worker in calls):
            wait([worker.connection for worker in calls], seconds)
        return [(worker, worker.answer()) for worker in calls if worker.has_answered]

    def fire(self, worker: WorkerProcess) -> None:
        """Ends a worker, even in the middle of a call."""
        self._workers.discard(worker)
        worker.close()

    def close(self) -> None:
        """Ends all workers."""
        for worker in list(self._workers):
            self.fire(worker)

    def _started(self) -> WorkerProcess:
        worker = WorkerProcess()
        self._workers.add(worker)
        return worker
