"""Workers on Ray: on an existing cluster, or on this machine."""

import atexit
import math
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from actsearch.environment import PACKAGES, num_cores, package_versions
from actsearch.errors import SearchFailedError, UsageError
from actsearch.executors._ray_cluster import end_ray, import_ray, join_ray, one_line, start_ray
from actsearch.executors.serialization import Job, Lost
from actsearch.executors.worker import Worker, share_gpus
from actsearch.records import ExecutionRequest

_ANSWER_SECONDS = 60.0


class RayBackend:
    """Workers that Ray starts, watches and ends. Started early, they import TensorFlow while this process does.

    Without an address, Ray is started for this search alone. If the program has already started or joined Ray, that Ray
    is used and left running.

    Args:
        num: Number of workers.
        address: Address of an existing cluster: `auto`, or HOST:PORT; None or `local` for this machine.
        gpus_each: GPUs of each worker, possibly a fraction; None for equal shares of all.

    Raises:
        UsageError: Ray is not installed.
    """

    def __init__(self, num: int, *, address: str | None = None, gpus_each: float | None = None) -> None:
        share_gpus()  # this process builds models too
        self.num = num
        self._address = address
        self._gpus_each = gpus_each
        self._ray = import_ray()
        self._share = Share(1, 0.0)
        self._folder: Path | None = None
        self._is_ours = False
        self._workers: set[Any] = set()
        self._fresh: list[Any] = []
        self._job: Any = None

    def start(self) -> None:
        """Starts or joins Ray, and starts the workers; a second call does nothing.

        Raises:
            UsageError: The cluster cannot be reached, or has no room for the workers.
            SearchFailedError: Ray does not start.
        """
        if self._workers:
            return
        self._connect()
        try:
            resources = [node["Resources"] for node in self._nodes()]
            machines = [Machine(int(each.get("CPU", 0)), each.get("GPU", 0.0)) for each in resources]
            self._share = equal_share(self.num, machines, self._gpus_each)
            self._fresh = [self._made() for _ in range(self.num)]
        except BaseException:
            self.close()
            raise

    def _connect(self) -> None:
        if self._ray.is_initialized():
            if self._address is not None:
                raise UsageError(
                    f"Ray is already initialized in this process, and the address {self._address!r} is given too. "
                    "Omit the address, or call ray.shutdown() first."
                )
            return
        self._is_ours = True
        atexit.register(self.close)  # before Ray's own
        if self._address in (None, "local"):
            self._folder = start_ray(max(self.num, num_cores()))
        else:
            join_ray(self._address)

    def differences(self) -> list[str]:
        """Returns how the versions on machines of the cluster differ from those here, one line per machine.

        Raises:
            UsageError: Some machines lack actsearch.
        """
        if self._folder is not None:  # Ray runs on this machine only
            return []
        ours, lines, lacking = package_versions(), [], []
        for host, call in self._asked_for_versions():
            try:
                theirs = self._ray.get(call, timeout=_ANSWER_SECONDS)
            except Exception as error:  # noqa: BLE001  any failure on that machine is reported
                lacking.append(f"{host}: {one_line(error)}")
                continue
            names = [name for name in PACKAGES if theirs.get(name) != ours[name]]
            different = "; ".join(f"{name} {theirs.get(name)}, here {ours[name]}" for name in names)
            lines += [f"{host} has different versions, so numbers may differ: {different}"] if different else []
        if lacking:
            raise UsageError(
                "actsearch cannot be used on some machines of the cluster. Install the same version there "
                '(`pip install "actsearch[ray]"`):\n  ' + "\n  ".join(lacking)
            )
        return lines

    def send(self, job: Job) -> None:
        """Puts the search into Ray's object store: each machine keeps its arrays once, and workers read them there.

        Raises:
            SearchFailedError: The object store has too little space.
        """
        try:
            self._job = self._ray.put(job)
        except self._ray.exceptions.RayError as error:
            raise SearchFailedError(
                f"The data does not fit into Ray's object store ({one_line(error)}). Each machine needs room for all "
                "of it in /dev/shm: make that larger, or search without Ray."
            ) from error

    def hire(self) -> Any:
        return self._fresh.pop() if self._fresh else self._made()

    def begin(self, worker: Any) -> Any:
        return worker.begin.remote(self._job, self._share.cores)

    def run(self, worker: Any, request: ExecutionRequest) -> Any:
        return worker.run.remote(request)

    def answers(self, calls: Sequence[Any], seconds: float) -> list[tuple[Any, Any]]:
        self._ray.wait(list(calls), num_returns=1, timeout=seconds)
        done, _ = self._ray.wait(list(calls), num_returns=len(calls), timeout=0)
        return [(call, self._answer(call)) for call in done]

    def _answer(self, call: Any) -> Any:
        try:
            return self._ray.get(call)
        except self._ray.exceptions.RayError as error:
            return Lost(f"its worker was lost ({one_line(error)})")

    def fire(self, worker: Any) -> None:
        self._workers.discard(worker)
        with suppress(self._ray.exceptions.RayError):
            self._ray.kill(worker)

    def close(self) -> None:
        """Ends the workers, and Ray if it was started or joined for this search; a second call does nothing."""
        atexit.unregister(self.close)
        if self._ray.is_initialized():
            for worker in list(self._workers):
                self.fire(worker)
            if self._is_ours:
                self._is_ours = False  # a Ray that the program starts later is not
                end_ray(self._folder)

    def _made(self) -> Any:
        options = {"num_cpus": self._share.cores, "num_gpus": self._share.gpus, "scheduling_strategy": "SPREAD"}
        worker = self._ray.remote(**options)(Worker).remote()
        self._workers.add(worker)
        return worker

    def _asked_for_versions(self) -> list[tuple[str, Any]]:
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        ask = self._ray.remote(num_cpus=0, max_retries=0)(package_versions)
        nodes = [(node["NodeManagerHostname"], node["NodeID"]) for node in self._nodes()]
        on = [NodeAffinitySchedulingStrategy(node_id, soft=False) for _, node_id in nodes]
        return [(host, ask.options(scheduling_strategy=s).remote()) for (host, _), s in zip(nodes, on, strict=True)]

    def _nodes(self) -> list[Any]:
        return [node for node in self._ray.nodes() if node["Alive"]]


@dataclass(frozen=True)
class Machine:
    """Cores and GPUs of a machine that Ray may assign."""

    cores: int
    gpus: float = 0.0


@dataclass(frozen=True)
class Share:
    """Cores and GPUs of one worker."""

    cores: int
    gpus: float

    def num_fitting(self, machines: Sequence[Machine]) -> int:
        """Returns how many workers with this share fit on the machines."""
        return sum(
            min(m.cores // self.cores, int(m.gpus / self.gpus + 1e-9) if self.gpus else m.cores) for m in machines
        )


def equal_share(num: int, machines: Sequence[Machine], gpus_each: float | None = None) -> Share:
    """Computes the largest number of cores per worker with which all workers fit, and an equal share of the GPUs.

    A worker gets at most one GPU: TensorFlow uses no more.

    Args:
        num: Number of workers.
        machines: Machines on which they run.
        gpus_each: GPUs of each worker; None for equal shares.

    Returns:
        The share of each worker.

    Raises:
        UsageError: The workers do not fit.

    Example:

    >>> equal_share(3, [Machine(8), Machine(4)])
    Share(cores=4, gpus=0.0)
    >>> equal_share(3, [Machine(8, gpus=2)])
    Share(cores=2, gpus=0.5)
    """
    total = sum(machine.gpus for machine in machines)
    gpus = gpus_each if gpus_each is not None else 1 / math.ceil(num / total) if total else 0.0
    for cores in range(max((m.cores for m in machines), default=1), 0, -1):
        share = Share(cores, gpus)
        if share.num_fitting(machines) >= num:
            return share
    most = Share(1, gpus).num_fitting(machines)
    sizes = ", ".join(f"{m.cores} cores and {m.gpus:g} GPUs" for m in machines)
    raise UsageError(
        f"{num} workers with a core and {gpus:g} GPUs each do not fit: {most} do. The machines have {sizes}. "
        "Ask for fewer workers, or for smaller shares of a GPU (gpus)."
    )
