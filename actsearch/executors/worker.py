"""A worker of a search: a process that runs executions, one after the other, as it is asked to.

On Ray `Worker` is an actor. On this machine a process serves one to the search, which holds the other end of its
connection and decides: such a process ignores Ctrl-C, and ends with the search. It is a new process (`serve`), or one
that `serve_template` has forked.
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
from multiprocessing.reduction import recv_handle
from pathlib import Path
from typing import TYPE_CHECKING

from actsearch._startup import exempt_imports, load_tensorflow, resting
from actsearch.executors.payload import Payload
from actsearch.executors.serialization import Job, Raised, answer_of, set_up
from actsearch.records import ExecutionRequest

if TYPE_CHECKING:
    from actsearch.training.execution import Executions, Trained

_PR_SET_PDEATHSIG = 1


def share_gpus() -> None:
    """Takes the memory of GPUs as it is needed: others may share it. Counts before a process uses one."""
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")


def load_early() -> None:
    """Imports what every search needs, while there is nothing to do yet."""
    share_gpus()
    load_tensorflow()
    with resting():
        import actsearch.training.execution  # noqa: F401

    exempt_imports()


class Worker:
    """Runs the executions of one search; it imports TensorFlow on being made, before it knows what to do."""

    def __init__(self) -> None:
        load_early()
        self._executions: Executions

    def begin(self, job: Job, num_threads: int) -> Raised | None:
        """Gets ready.

        Args:
            job: The search; its module path and working directory count where they exist here too.
            num_threads: TensorFlow's threads, where the search's process left them to TensorFlow; 0 leaves them to it
                here too.

        Returns:
            None, or what makes the search meaningless.
        """
        return answer_of(partial(set_up, partial(self._begin, job, num_threads)))

    def run(self, request: ExecutionRequest) -> "Trained | Raised":
        """One execution: what it leaves, or what makes the search meaningless."""
        return answer_of(partial(self._executions.run, request))

    def _begin(self, job: Job, num_threads: int) -> None:
        there = [folder for folder in job.module_path if Path(folder).exists()]
        sys.path[:] = [*there, *(folder for folder in sys.path if folder not in there)]
        if Path(job.folder).is_dir():
            os.chdir(job.folder)
        state = job.state.unpack()
        within, between = state.threads
        replace(state, threads=(within or num_threads, between or num_threads)).restore()
        self._executions = job.executions.unpack()(own_process=True)


def serve() -> None:
    """Serves a worker on the connection with file number `argv[1]`, to the process `argv[2]`."""
    _serve(_connected())


def serve_template() -> None:
    """Imports, and forks a worker for each connection that comes over its own, which `argv` names as for `serve`."""
    search = _connected()
    load_early()
    template = os.getpid()
    try:
        forked, job = _fork_each(search)
    except EOFError:  # the search is over
        return
    os.setsid()
    _end_with(template)
    _serve(forked, job)


def _connected() -> Connection:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    connection = Connection(int(sys.argv[1]))
    os.set_inheritable(connection.fileno(), False)
    _end_with(int(sys.argv[2]))
    sys.stdout = sys.stderr
    return connection


def _fork_each(search: Connection) -> tuple[Connection, Job]:
    """Does what the search asks for; returns in the workers alone, with their connection and the search's job."""
    job: Job
    while True:
        order, *arguments = search.recv()
        if order == "job":
            job = Payload.receive(search).unpack()
        elif order == "fork":
            handle = recv_handle(search)
            pid = os.fork()
            if not pid:
                search.close()
                return Connection(handle), job
            os.close(handle)
            search.send(pid)
        else:
            ended, status = os.waitpid(arguments[0], os.WNOHANG)
            search.send(os.waitstatus_to_exitcode(status) if ended else None)


def _serve(connection: Connection, job: Job | None = None) -> None:
    """Calls methods of a worker as they come; the job of a forked one need not come."""
    calls: queue.SimpleQueue[Payload] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(connection, calls), daemon=True).start()
    worker = Worker()
    while True:
        method, *arguments = calls.get().unpack()
        if method == "begin":
            arguments[0] = arguments[0] or job
        Payload.pack(getattr(worker, method)(*arguments)).send(connection)


def _end_with(parent: int) -> None:
    """The kernel ends this process with its parent; a thread would wait for a model that holds Python's lock."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(0)


def _listen(connection: Connection, calls: "queue.SimpleQueue[Payload]") -> None:
    """Receives calls, also while others are worked on: so the end of the parent is noticed on every system."""
    try:
        while True:
            calls.put(Payload.receive(connection))
    except (EOFError, ConnectionError):
        os._exit(0)
    except BaseException:  # noqa: BLE001  whatever it is, nobody would be served any more
        traceback.print_exc()
        os._exit(1)
