"""Workers that are processes of this machine, each on a connection of its own."""

import sys
from collections.abc import Sequence
from multiprocessing.connection import wait
from typing import Any

from actsearch.environment import num_cores
from actsearch.errors import SearchFailedError
from actsearch.executors.processes import Template, WorkerProcess, start_process
from actsearch.executors.serialization import Job
from actsearch.executors.worker import share_gpus
from actsearch.records import ExecutionRequest


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
                how = self._template.close()
                self._template = None
        raise SearchFailedError(f"The workers of the search could not begin: {how}.")
