"""Workers that are processes of this machine, each on a connection of its own."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from multiprocessing.reduction import send_handle
from typing import Any

from actsearch.environment import num_cores
from actsearch.errors import SearchFailedError
from actsearch.executors.payload import Payload
from actsearch.executors.serialization import Job, Lost
from actsearch.executors.worker import share_gpus
from actsearch.records import ExecutionRequest

_START = "import sys; sys.path[:] = sys.argv[3:]; from actsearch.executors.worker import {0}; {0}()"
_ENDING_SECONDS = 10.0
_POLL_SECONDS = 0.01


def start_process(main: str) -> tuple[Connection, "subprocess.Popen[bytes]"]:
    """Starts a process that runs a main function of `worker`, and the connection to it.

    Ctrl-C does not reach it, and it ends when this process ends, however that happens; on Linux already with the thread
    that started it. What it prints goes to standard error.
    """
    connection, other_end = Pipe()
    arguments = [str(other_end.fileno()), str(os.getpid()), *sys.path]
    with other_end:
        process = subprocess.Popen(
            [sys.executable, "-X", "faulthandler", "-c", _START.format(main), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=2,
            pass_fds=[other_end.fileno()],
            start_new_session=True,
        )
    return connection, process


class ForkedProcess:
    """A child of the template; this process asks the template how it is.

    Args:
        pid: Its number.
        template: Its parent.
    """

    def __init__(self, pid: int, template: "Template") -> None:
        self.pid = pid
        self._template = template
        self._status: int | None = None

    def poll(self) -> int | None:
        """Its exit status, negative for the signal that ended it; None while it runs."""
        if self._status is None:
            self._status = self._template.status_of(self.pid)
        return self._status

    def wait(self, timeout: float) -> int:
        """Waits for its end.

        Raises:
            subprocess.TimeoutExpired: It has not ended after so many seconds.
        """
        deadline = time.monotonic() + timeout
        while (status := self.poll()) is None:
            if time.monotonic() > deadline:
                raise subprocess.TimeoutExpired("worker", timeout)
            time.sleep(_POLL_SECONDS)
        return status


class WorkerProcess:
    """A process that serves one `Worker`.

    Args:
        connection: Leads to it.
        process: The process.
        job: What it has to be sent before it can begin; None where it was forked with it.

    Attributes:
        was_idle: Whether it had ended before it was called.
    """

    def __init__(
        self, connection: Connection, process: "subprocess.Popen[bytes] | ForkedProcess", job: Job | None = None
    ) -> None:
        self.connection = connection
        self._process = process
        self._job = job
        self.was_idle = False

    def begin(self, num_threads: int) -> None:
        """Calls `Worker.begin`."""
        self._call("begin", self._job, num_threads)

    def run(self, request: Any) -> None:
        """Calls `Worker.run`."""
        self._call("run", request)

    @property
    def has_ended(self) -> bool:
        """Whether the process has."""
        return self._process.poll() is not None

    def answer(self) -> Any:
        """What the method returned; `Lost` where the process has ended."""
        try:
            if self.was_idle or not self.connection.poll():
                raise EOFError  # what it has started may hold the connection open
            return Payload.receive(self.connection).unpack()
        except (EOFError, ConnectionError):
            return Lost(self._ending(), self.was_idle)

    def kill(self) -> None:
        """Kills the process, and what it has started itself."""
        with suppress(ProcessLookupError, PermissionError):  # macOS refuses where only an ended process is left
            os.killpg(self._process.pid, signal.SIGKILL)

    def close(self) -> None:
        """Ends the process, and what it has started itself."""
        self.kill()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=_ENDING_SECONDS)
        self.connection.close()

    def _call(self, method: str, *arguments: Any) -> None:
        """Sends a call; where the process has ended before, `answer` says so."""
        try:
            if self.has_ended:
                raise BrokenPipeError
            Payload.pack((method, *arguments)).send(self.connection)
        except OSError:
            self.was_idle = True

    def _ending(self) -> str:
        try:
            return ending(self._process.wait(timeout=_ENDING_SECONDS))
        except subprocess.TimeoutExpired:
            return "the process closed its connection to the search"


_SECONDS_TO_END = 2.0  # from the end of a connection to that of its process


class Template:
    """A process that imports TensorFlow, and from which workers are forked."""

    def __init__(self) -> None:
        self._connection, self._process = start_process("serve_template")
        self._has_job = False

    def fork(self, job: Job) -> WorkerProcess:
        """A new worker; waits until the template has imported.

        Args:
            job: The search, the same one each time.

        Raises:
            EOFError, OSError: The template has ended.
        """
        if not self._has_job:
            self._connection.send(("job",))
            Payload.pack(job).send(self._connection)
            self._has_job = True
        connection, other_end = Pipe()
        with other_end:
            self._connection.send(("fork",))
            send_handle(self._connection, other_end.fileno(), self._process.pid)
            pid = self._connection.recv()
        return WorkerProcess(connection, ForkedProcess(pid, self))

    def status_of(self, pid: int) -> int | None:
        """The exit status of a worker; None while it runs. Workers end with their template."""
        try:
            self._connection.send(("status", pid))
            return self._connection.recv()
        except (EOFError, OSError):
            return -signal.SIGKILL

    def close(self) -> None:
        """Ends it."""
        self._process.kill()
        self._connection.close()
        self._process.wait()

    def failure(self) -> str:
        """Says how it ended by itself, once its connection has; ends it if it is still running then."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_SECONDS_TO_END)
        status = self._process.poll()
        self.close()
        return "the process does not answer" if status is None else ending(status)


def ending(status: int) -> str:
    """How a process ended, in words.

    Example:

    >>> ending(-6)
    'the process was ended by SIGABRT (6)'
    """
    if status >= 0:
        return f"the process ended with status {status}"
    hint = ", which the system sends when memory runs out" if status == -signal.SIGKILL else ""
    names = {known.value: known.name for known in signal.Signals}  # not every real-time signal has one
    return f"the process was ended by {names.get(-status, 'signal')} ({-status}){hint}"


class LocalBackend:
    """Starts, watches and ends processes of this machine. Started early, they import TensorFlow while this one does.

    Each gets an equal share of the cores for TensorFlow's threads; one alone is left to TensorFlow. Where there is a
    GPU, all take its memory as they need it; a process that has used the GPU before this keeps all of it.

    Args:
        num: How many workers.
        forks: Whether workers are forked from a template.
    """

    def __init__(self, num: int, *, forks: bool = sys.platform == "linux") -> None:
        share_gpus()
        self.num = num
        self._forks = forks
        self._num_threads = max(1, num_cores() // num) if num > 1 else 0
        self._template: Template | None = None
        self._fresh: list[WorkerProcess] = []
        self._workers: set[WorkerProcess] = set()
        self._job: Job | None = None

    def start(self) -> None:
        """Starts the template; once only."""
        if self._forks and self._template is None:
            self._template = Template()

    def differences(self) -> list[str]:
        """Nothing: they are on this machine."""
        return []

    def send(self, job: Job) -> None:
        """Keeps the search for those that begin with it."""
        self._job = job

    def hire(self) -> WorkerProcess:
        """A new worker.

        Raises:
            SearchFailedError: There can be none.
        """
        assert self._job is not None
        worker = self._forked(self._job) if self._forks else WorkerProcess(*start_process("serve"), self._job)
        self._workers.add(worker)
        return worker

    def begin(self, worker: WorkerProcess) -> WorkerProcess:
        """Asks a worker to get ready; a call is named by its worker, which has one at a time."""
        worker.begin(self._num_threads)
        return worker

    def run(self, worker: WorkerProcess, request: ExecutionRequest) -> WorkerProcess:
        """Asks a worker for an execution."""
        worker.run(request)
        return worker

    def answers(self, calls: Sequence[WorkerProcess], seconds: float) -> list[tuple[WorkerProcess, Any]]:
        """Waits until a worker answers or its connection ends, at most some seconds."""
        is_known = any(worker.was_idle for worker in calls)
        ready = wait([worker.connection for worker in calls], 0 if is_known else seconds)
        done = [worker for worker in calls if worker.was_idle or worker.connection in ready]
        if not done:  # what a worker has started may hold its connection open
            done = [worker for worker in calls if worker.has_ended]
        return [(worker, worker.answer()) for worker in done]

    def fire(self, worker: WorkerProcess) -> None:
        """Ends a worker, whatever it is doing."""
        self._workers.discard(worker)
        worker.close()

    def close(self) -> None:
        """Ends all workers, and the template."""
        for worker in self._workers:
            worker.kill()
        if self._template is not None:
            self._template.close()  # nobody is asked any more: an interrupt may have come amid a question
            self._template = None
        while self._workers:
            self.fire(self._workers.pop())

    def _forked(self, job: Job) -> WorkerProcess:
        """A worker from the template; one that has ended is replaced once."""
        how = ""
        for _ in range(2):
            self.start()
            assert self._template is not None
            try:
                return self._template.fork(job)
            except (EOFError, OSError):
                how = self._template.failure()
                self._template = None
        raise SearchFailedError(f"The workers of the search could not begin: {how}.")
