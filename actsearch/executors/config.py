"""Where the executions of a search run: in this process, in a child process, or on workers."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from actsearch.errors import UsageError
from actsearch.executors.base import Executor, InProcess
from actsearch.executors.isolated import Child, Isolated
from actsearch.executors.pool import Crew, Remote
from actsearch.executors.ray_backend import RayCrew, check_workers
from actsearch.executors.serialization import packed_job
from actsearch.training.execution import Executions


@dataclass(frozen=True)
class Place:
    """Where executions run, and what becomes of those whose process is lost; see `ActivationTuner`.

    Raises:
        UsageError: It cannot be.
    """

    isolate: bool | Child = False
    timeout: float | None = None
    workers: int | Crew = 0
    address: str | None = None
    gpus_per_worker: float | None = None
    max_retries: int = 1

    def __post_init__(self) -> None:
        if not isinstance(self.max_retries, int) or isinstance(self.max_retries, bool) or self.max_retries < 0:
            raise UsageError(f"max_retries must be a whole number from 0 on, not {self.max_retries!r}.")
        if self.timeout is not None and not self.timeout > 0:
            raise UsageError(f"execution_timeout must be above 0 seconds, not {self.timeout!r}.")
        if self.workers:
            os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")  # before this process builds its first model
        check_workers(self.num_workers, self.address, self.gpus_per_worker)

    @property
    def num_workers(self) -> int:
        """How many executions run at a time, where they run on workers."""
        return self.workers.num if isinstance(self.workers, Crew) else self.workers

    def executor(self, make: "partial[Executions]", message: Callable[[str], None]) -> Executor:
        """What runs the executions there.

        Args:
            make: The `Executions` to make, with its arguments.
            message: Hears what is worth knowing of the machines.

        Raises:
            UsageError: Workers cannot be had.
        """
        if self.workers:
            packed_job(make)  # what cannot be sent is told before anything starts
            crew = self.workers
            if isinstance(crew, int):
                crew = RayCrew(crew, address=self.address, gpus_each=self.gpus_per_worker)
            return Remote(make, crew, timeout=self.timeout, max_retries=self.max_retries, message=message)
        if self.isolate or self.timeout is not None:
            child = self.isolate if isinstance(self.isolate, Child) else None
            return Isolated(make, timeout=self.timeout, child=child)
        return InProcess(make())
