"""A child process of a search, before it knows what to do. Making one takes no TensorFlow in this process."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from multiprocessing import Pipe
from typing import Any

from actsearch.errors import ExecutionFailedError
from actsearch.search.transport import Parcel

POLL_SECONDS = 0.2
_START = "import sys; sys.path[:] = sys.argv[3:]; from actsearch.search.child import main; main()"


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
