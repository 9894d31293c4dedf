"""Executions in a child process: what ends that process ends one execution, and the search goes on."""

import math
import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from multiprocessing import Pipe
from pathlib import Path
from typing import Any, Self

from actsearch.errors import ExecutionFailedError, SearchFailedError
from actsearch.executors.base import Executor, failed, is_out_of_memory
from actsearch.executors.process_state import Setting
from actsearch.executors.serialization import Parcel, Raised, packed_job, packed_setting
from actsearch.records import ExecutionRequest
from actsearch.training.execution import Executions, Trained

POLL_SECONDS = 0.2
_START = "import sys; sys.path[:] = sys.argv[3:]; from actsearch.executors.isolated_main import main; main()"


class Child:
    """Starts a process that imports TensorFlow and then waits for parcels; what it prints goes to standard error.

    Made early, it imports while this process does too. Ctrl-C does not reach it, and it ends when this process ends,
    however that happens; on Linux already with the thread that made it. Where there is a GPU, both processes take its
    memory as they need it; one that has used the GPU before this keeps all of it.
    """

    def __init__(self) -> None:
        os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
        self._connection, childs = Pipe()
        arguments = [str(childs.fileno()), str(os.getpid()), *sys.path]
        with childs:
            self._process = subprocess.Popen(
                [sys.executable, "-X", "faulthandler", "-c", _START, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=2,
                pass_fds=[childs.fileno()],
                start_new_session=True,
            )

    @property
    def alive(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    def send(self, parcels: Sequence[Parcel]) -> None:
        """Sends parcels.

        Raises:
            ExecutionFailedError: The process has ended.
        """
        try:
            for parcel in parcels:
                parcel.send(self._connection)
        except OSError as error:
            raise ExecutionFailedError(self._ending()) from error

    def receive(self, limit: float) -> Any:
        """Waits for the answer.

        Args:
            limit: Seconds after which it is given up.

        Raises:
            ExecutionFailedError: The process has ended; the message says how.
            TimeoutError: There is no answer within the limit; the process goes on.
        """
        try:
            if not self._answers_within(limit):
                raise TimeoutError
            answer = Parcel.receive(self._connection)
        except (EOFError, ConnectionError) as error:
            raise ExecutionFailedError(self._ending()) from error
        return answer.opened()

    def _answers_within(self, limit: float) -> bool:
        deadline = time.monotonic() + limit
        while not self._connection.poll(min(POLL_SECONDS, max(deadline - time.monotonic(), 0.0))):
            if not self.alive and not self._connection.poll():  # what it has started may hold the pipe open
                raise EOFError
            if time.monotonic() >= deadline:
                return False
        return True

    def close(self) -> None:
        """Ends the process, and what it has started itself."""
        with suppress(ProcessLookupError, PermissionError):  # macOS refuses where only an ended process is left
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.kill()
        self._process.wait()
        self._connection.close()

    def _ending(self) -> str:
        """How the process ended, in words."""
        try:
            status = self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            return "the process closed its connection to the search"
        if status >= 0:
            return f"the process ended with status {status}"
        hint = ", as the system does where memory runs out" if status == -signal.SIGKILL else ""
        names = {known.value: known.name for known in signal.Signals}  # not every real-time signal has one
        return f"the process was ended by {names.get(-status, 'signal')} ({-status}){hint}"


START_SECONDS = 600.0


class Isolated(Executor):
    """Runs executions in one child process, which keeps TensorFlow and its traced models from one to the next.

    An execution that ends the process (abort, segmentation fault, no memory left), or takes longer than `timeout`, is
    FAILED with that as its reason; the next one begins in a new process. None is kept in reserve: it would take some
    700 MB, and importing TensorFlow beside an execution would falsify what is measured of it.

    What the model's code and callbacks change in memory stays in the child process. As a context manager it waits
    until the process is ready.

    Args:
        make: The `Executions` to make there, with its arguments.
        timeout: Seconds that an execution may take; without one, for ever.
        child: A process that has been started before, to save time.

    Raises:
        UsageError: Something cannot be sent to the child process; on entering, it cannot be used there.
        SearchFailedError: On entering, the process ended before it was ready.
    """

    def __init__(
        self, make: "partial[Executions]", *, timeout: float | None = None, child: Child | None = None
    ) -> None:
        self._timeout = math.inf if timeout is None else timeout
        self._waiting: deque[ExecutionRequest] = deque()
        place = Parcel.of((sys.path, Path.cwd()))  # needed to open the others
        self._job = (place, packed_setting(Setting.here()), packed_job(make))
        self._child: Child | None = child or Child()
        self._ready = False

    def __enter__(self) -> Self:
        try:
            self._ready_child()
        except ExecutionFailedError as error:
            self.close()
            raise SearchFailedError(f"The child process of the search could not begin: {error}.") from error
        except BaseException:
            self.close()
            raise
        return self

    def submit(self, request: ExecutionRequest) -> None:
        self._waiting.append(request)

    def next(self) -> Trained:
        request, started_at = self._waiting.popleft(), time.time()
        try:
            child = self._ready_child()
            started_at = time.time()
            child.send([Parcel.of(request)])
            answer = _opened(child.receive(self._timeout))
        except TimeoutError:
            self.close()
            return failed(request, started_at, f"took longer than {self._timeout:g} s (execution_timeout)")
        except ExecutionFailedError as error:
            self.close()
            return failed(request, started_at, str(error))
        if is_out_of_memory(answer.record):
            self.close()  # who knows what is left of its memory
        return answer

    def cancel(self) -> list[ExecutionRequest]:
        given_up, self._waiting = list(self._waiting), deque()
        return given_up

    def close(self) -> None:
        if self._child is not None:
            self._child.close()
        self._child, self._ready = None, False

    def _ready_child(self) -> Child:
        """The child process, its job done up to the first request; a new one where the last one has ended."""
        if self._child is not None and self._ready and not self._child.alive:
            self.close()
        self._child = self._child or Child()
        if not self._ready:
            self._child.send(self._job)
            try:
                _opened(self._child.receive(START_SECONDS))
            except TimeoutError:
                raise ExecutionFailedError(f"the process was not ready after {START_SECONDS:g} s") from None
            self._ready = True
        return self._child


def _opened(answer: Any) -> Any:
    if isinstance(answer, Raised):
        raise answer.error()
    return answer
