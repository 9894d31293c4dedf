"""Where the executions of a search run: in this process, in a child process, or on workers."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from actsearch.errors import UsageError
from actsearch.search.executors import Executor, InProcess
from actsearch.search.isolation import Isolated
from actsearch.search.process import Child
from actsearch.training.execution import Executions


@dataclass(frozen=True)
class Place:
    """Where executions run, and what becomes of those whose process is lost; see `ActivationTuner`.

    Raises:
        UsageError: It cannot be.
    """

    isolate: bool | Child = False
    timeout: float | None = None
    workers: int = 0
    address: str | None = None
    gpus_per_worker: float | None = None
    max_retries: int = 1

    def __post_init__(self) -> None:
        for name in ("workers", "max_retries"):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < 0:
                raise UsageError(f"{name} must be a whole number from 0 on, not {value!r}.")
        if self.timeout is not None and not self.timeout > 0:
            raise UsageError(f"execution_timeout must be above 0 seconds, not {self.timeout!r}.")
        gpus = self.gpus_per_worker
        if gpus is not None and not (gpus >= 0 and (gpus <= 1 or gpus == int(gpus))):
            raise UsageError(f"gpus_per_worker must be a share of a GPU or a whole number of them, not {gpus!r}.")
        if not self.workers and (self.address is not None or gpus is not None):
            raise UsageError("address and gpus_per_worker are for workers: give their number too, workers=2.")

    def executor(self, make: "partial[Executions]", message: Callable[[str], None]) -> Executor:
        """What runs the executions there.

        Args:
            make: The `Executions` to make, with its arguments.
            message: Hears what is worth knowing of the machines.

        Raises:
            UsageError: Workers cannot be had.
        """
        if self.workers:
            from actsearch.search.ray import RayCrew
            from actsearch.search.remote import Remote

            crew = RayCrew(self.workers, address=self.address, gpus_each=self.gpus_per_worker)
            for line in crew.differences() if self.address else ():
                message(line)
            return Remote(make, crew, timeout=self.timeout, max_retries=self.max_retries)
        if self.isolate or self.timeout is not None:
            child = self.isolate if isinstance(self.isolate, Child) else None
            return Isolated(make, timeout=self.timeout, child=child)
        return InProcess(make())
