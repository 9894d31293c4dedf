"""A worker of a search: a process that runs executions on request, one after the other.

On Ray, `Worker` is an actor. On this machine, `main` serves one to the process that started it over a connection. That
process is in control: a worker ignores Ctrl-C, and ends when that process ends.
"""

import ctypes
import os
import queue
import signal
import sys
import threading
import traceback
from dataclasses import replace
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING

from actsearch._startup import exempt_imports, load_tensorflow, resting
from actsearch.executors.serialization import Job, Payload, Raised, answer_of, set_up
from actsearch.records import ExecutionRequest

if TYPE_CHECKING:
    from actsearch.training.execution import Executions, Trained

_PR_SET_PDEATHSIG = 1


def share_gpus() -> None:
    """Allocates GPU memory on demand, so that processes can share a GPU. Call it before the process uses one."""
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")


class Worker:
    """Runs the executions of one search. Its constructor imports TensorFlow, before the search is known."""

    def __init__(self) -> None:
        share_gpus()
        load_tensorflow()
        with resting():
            import actsearch.training.execution  # noqa: F401  every search needs it: import it while waiting

        exempt_imports()
        self._executions: Executions

    def begin(self, job: Job, num_threads: int) -> Raised | None:
        """Prepares for the executions of a search.

        Args:
            job: The search; folders of its module path and its working directory are used if they exist here.
            num_threads: Number of TensorFlow's threads if the search's process did not set it; 0 lets TensorFlow
                choose.

        Returns:
            None, or the error that makes the whole search invalid.
        """
        return answer_of(partial(set_up, partial(self._begin, job, num_threads)))

    def run(self, request: ExecutionRequest) -> "Trained | Raised":
        """Runs one execution; returns its result, or the error that makes the whole search invalid."""
        return answer_of(partial(self._executions.run, request))

    def _begin(self, job: Job, num_threads: int) -> None:
        existing = [folder for folder in job.module_path if Path(folder).exists()]
        sys.path[:] = [*existing, *(folder for folder in sys.path if folder not in existing)]
        if Path(job.folder).is_dir():
            os.chdir(job.folder)
        state = job.state.unpack()
        within, between = state.threads
        replace(state, threads=(within or num_threads, between or num_threads)).restore()
        self._executions = job.executions.unpack()()


def main() -> None:
    """Serves the process `argv[2]` over the connection with file descriptor `argv[1]`."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    connection, parent = Connection(int(sys.argv[1])), int(sys.argv[2])
    os.set_inheritable(connection.fileno(), False)
    _end_with(parent)
    sys.stdout = sys.stderr
    calls: queue.SimpleQueue[Payload] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(connection, calls), daemon=True).start()
    worker = Worker()
    while True:
        method, *arguments = calls.get().unpack()
        Payload.pack(getattr(worker, method)(*arguments)).send(connection)


def _end_with(parent: int) -> None:
    """Lets the kernel end this process with its parent; a thread could be blocked by a model that holds the GIL."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(0)


def _listen(connection: Connection, calls: "queue.SimpleQueue[Payload]") -> None:
    """Receives calls, also while another one runs, so that the end of the parent is noticed on every system."""
    try:
        while True:
            calls.put(Payload.receive(connection))
    except (EOFError, ConnectionError):
        os._exit(0)
    except BaseException:  # noqa: BLE001  after any error, calls would no longer be received
        traceback.print_exc()
        os._exit(1)
