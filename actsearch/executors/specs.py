"""A user's choice of where the executions of a search run: None, `"isolated"`, `Local(4)` or `Ray(16)`."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import KW_ONLY, dataclass
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Self

from actsearch.environment import free_memory, num_cores
from actsearch.errors import UnknownNameError, UsageError
from actsearch.executors.auto import Workload, choose_num_workers
from actsearch.executors.base import Executor, InProcess
from actsearch.executors.local_backend import LocalBackend
from actsearch.executors.pool import PoolExecutor, WorkerBackend
from actsearch.executors.ray_backend import RayBackend
from actsearch.executors.serialization import pack_job
from actsearch.executors.worker import share_gpus

if TYPE_CHECKING:
    from actsearch.training.execution import Executions


class ExecutorSpec(ABC):
    """Where executions run, and how those whose process is lost are handled."""

    @property
    @abstractmethod
    def num_workers(self) -> int:
        """Number of executions that run concurrently, each in a separate process."""

    @abstractmethod
    def executor(self, make: "partial[Executions]", message: Callable[[str], None]) -> Executor:
        """Makes the executor of one search.

        Args:
            make: Makes the `Executions`; a partial of the class with its arguments.
            message: Called with each difference between the machines.

        Returns:
            The executor.

        Raises:
            UsageError: Something cannot be sent to the workers, or workers are not available; no process was started.
        """


@dataclass(frozen=True)
class _Workers(ExecutorSpec):
    num: int
    _: KW_ONLY
    timeout: float | None = None
    max_retries: int = 1

    def __post_init__(self) -> None:
        if not _is_whole(self.num) or self.num < 1:
            raise UsageError(f"The number of workers must be a whole number of at least 1, not {self.num!r}.")
        if self.timeout is not None and not self.timeout > 0:
            raise UsageError(f"timeout must be above 0 seconds, or None for no limit, not {self.timeout!r}.")
        if not _is_whole(self.max_retries) or self.max_retries < 0:
            raise UsageError(f"max_retries must be a whole number of at least 0, not {self.max_retries!r}.")
        share_gpus()  # before this process builds its first model

    @property
    def num_workers(self) -> int:
        return self.num

    def start(self) -> "StartedWorkers":
        """Starts the workers before the search, so that they import TensorFlow while this process does."""
        backend = self._backend()
        backend.start()
        return StartedWorkers(self, backend)

    def executor(self, make: "partial[Executions]", message: Callable[[str], None]) -> Executor:
        return self.executor_on(None, make, message)

    def executor_on(
        self, backend: WorkerBackend | None, make: "partial[Executions]", message: Callable[[str], None]
    ) -> Executor:
        """Makes the executor on workers that are already started; starts them if `backend` is None."""
        job = pack_job(make)
        backend = backend or self._backend()
        return PoolExecutor(job, backend, timeout=self.timeout, max_retries=self.max_retries, message=message)

    @abstractmethod
    def _backend(self) -> WorkerBackend:
        """Makes the backend; its workers are not started yet."""


@dataclass(frozen=True)
class Local(_Workers):
    """Runs executions in child processes on this machine, without Ray.

    Each worker gets an equal share of the cores. A process that crashes, hangs or runs out of memory costs one
    execution, which is trained again from the same seed with the same result.

    Args:
        num: Number of worker processes.
        timeout: Maximum seconds of an execution; None for no limit.
        max_retries: Number of times to retrain an execution whose process was lost; after that it is FAILED.

    Raises:
        UsageError: A number is out of range.

    Example:

    >>> Local(4, timeout=600)
    Local(num=4, timeout=600, max_retries=1)
    """

    num: int = 1

    def _backend(self) -> WorkerBackend:
        return LocalBackend(self.num)


@dataclass(frozen=True)
class Ray(_Workers):
    """Runs executions on Ray: on a cluster, or on this machine with a Ray that is started for the search.

    Needs Ray: `pip install "actsearch[ray]"`. If the program has already initialized Ray, omit the address: the search
    uses that Ray and leaves it running.

    Args:
        num: Number of workers.
        address: Address of a running cluster, `"auto"` or `"HOST:PORT"`; None or `"local"` starts Ray on this machine.
        gpus: GPUs of each worker, a fraction if workers share one; None for equal shares of all.
        timeout: Maximum seconds of an execution; None for no limit.
        max_retries: Number of times to retrain an execution whose worker was lost; after that it is FAILED.

    Raises:
        UsageError: A number or the address is not valid.

    Example:

    >>> Ray(16, address="auto").num_workers
    16
    """

    _: KW_ONLY
    address: str | None = None
    gpus: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.gpus is not None and not (self.gpus >= 0 and (self.gpus <= 1 or self.gpus == int(self.gpus))):
            raise UsageError(f"gpus must be a fraction of a GPU or a whole number of GPUs, not {self.gpus!r}.")
        if self.address is not None and self.address.startswith("ray://"):
            raise UsageError(
                f"{self.address!r} is the address of a Ray client. Run the search on a machine of the cluster, with "
                "auto or HOST:PORT as the address."
            )

    def _backend(self) -> WorkerBackend:
        return RayBackend(self.num, address=self.address, gpus_each=self.gpus)


@dataclass(frozen=True)
class Auto:
    """Chooses between this process and local workers when a search starts, and says what it chose and why.

    It chooses workers if they would end the search clearly earlier, by an estimate from the size of the model, the
    data and the number of trainings, and if model and data can be sent to other processes.

    Args:
        isolated: Whether executions run in another process in any case, as with `isolated`; a `timeout` implies it.
        timeout: Maximum seconds of an execution; None for no limit.
        max_retries: Number of times to retrain an execution whose process was lost.

    Raises:
        UsageError: A number is out of range.

    Example:

    >>> Auto(timeout=600)
    Auto(isolated=False, timeout=600, max_retries=1)
    """

    _: KW_ONLY
    isolated: bool = False
    timeout: float | None = None
    max_retries: int = 1

    def __post_init__(self) -> None:
        self._local(1)

    def chosen(self, make: "partial[Executions]", work: Callable[[], Workload]) -> tuple[Local | None, str]:
        """Returns where the executions of a search run, None for this process, and a sentence that says why.

        Args:
            make: Makes the `Executions`.
            work: Estimates what the search has to do.

        Raises:
            UsageError: Executions are to be isolated, but something cannot be sent to another process.
        """
        must_leave = self.isolated or self.timeout is not None
        try:
            pack_job(make)
        except UsageError as error:
            if must_leave:
                raise
            reason, *_ = str(error).split(". ")
            return None, f"executor: one process, since {reason}."
        num, reason = choose_num_workers(work(), num_cores(), free_memory())
        if num:
            return self._local(num), f"executor: {num} local workers, since {reason}."
        if must_leave:
            return self._local(1), f"executor: one local worker, since {reason}."
        return None, f"executor: one process, since {reason}."

    def _local(self, num: int) -> Local:
        return Local(num, timeout=self.timeout, max_retries=self.max_retries)


@dataclass(frozen=True)
class StartedWorkers(ExecutorSpec, AbstractContextManager["StartedWorkers"]):
    """Workers started before the one search that uses them; a context manager that ends them."""

    workers: _Workers
    backend: WorkerBackend

    @property
    def num_workers(self) -> int:
        return self.workers.num_workers

    def executor(self, make: "partial[Executions]", message: Callable[[str], None]) -> Executor:
        return self.workers.executor_on(self.backend, make, message)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.backend.close()


_NAMED: dict[str, Callable[[], ExecutorSpec | Auto]] = {
    "auto": Auto,
    "isolated": partial(Local, 1, max_retries=0),
    "local": Local,
}


def get(executor: "str | ExecutorSpec | Auto | None") -> ExecutorSpec | Auto | None:
    """Looks up where executions run.

    Args:
        executor: None for this process; `"isolated"` for `Local(1, max_retries=0)`, a child process whose loss fails
            one execution; `"local"` for `Local()`; `"auto"` for `Auto()`; or a `Local`, `Ray` or `Auto`.

    Returns:
        A `Local`, `Ray` or `Auto`; None for this process.

    Raises:
        UsageError: `executor` is none of these.

    Example:

    >>> get("isolated")
    Local(num=1, timeout=None, max_retries=0)
    """
    if executor is None or isinstance(executor, ExecutorSpec | Auto):
        return executor
    if isinstance(executor, str):
        if executor not in _NAMED:
            raise UnknownNameError("executor", executor, _NAMED)
        return _NAMED[executor]()
    raise UsageError(
        f"executor must be None, 'auto', 'isolated', 'local', Local(num) or Ray(num), not {executor!r}. "
        "For four processes on this machine pass executor=actsearch.executors.Local(4)."
    )


def choose(
    executor: ExecutorSpec | Auto | None, make: "partial[Executions]", work: Callable[[], Workload]
) -> tuple[ExecutorSpec | None, list[str]]:
    """Returns where the executions of a search run, and messages on what `Auto` chose; arguments as for it."""
    if not isinstance(executor, Auto):
        return executor, []
    chosen, message = executor.chosen(make, work)
    return chosen, [message]


def make_executor(
    spec: ExecutorSpec | None, make: "partial[Executions]", message: Callable[[str], None] = print
) -> Executor:
    """Makes the executor of one search; see `ExecutorSpec.executor`. Without a spec, executions run in this process."""
    return InProcess(make()) if spec is None else spec.executor(make, message)


def _is_whole(number: object) -> bool:
    return isinstance(number, int) and not isinstance(number, bool)
