"""Workers on Ray: on this machine, or on a cluster that is there."""

import logging
import os
import shutil
import signal
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

from actsearch.errors import UsageError
from actsearch.search.environment import PACKAGES, package_versions
from actsearch.search.packing import packed_job, packed_setting
from actsearch.search.remote import Lost
from actsearch.training.execution import Executions

_SHORT_FOLDER = 30  # characters: Ray puts sockets below it, whose names may have 107
_LONGEST_REASON = 200


class RayCrew:
    """Workers that Ray starts, watches and ends.

    Without an address Ray is started for this search alone: on 127.0.0.1, without dashboard, with a folder of its own
    and Ray's token authentication, and ended with the search. Where the program has started Ray itself, that is used.

    Args:
        num: How many workers.
        address: A cluster that is there: `auto`, or HOST:PORT.
        gpus_each: The GPUs of a worker, also a share of one; None for equal shares of those that there are.

    Raises:
        UsageError: Ray is not installed, the cluster cannot be reached, or it cannot be used.
    """

    def __init__(self, num: int, *, address: str | None = None, gpus_each: float | None = None) -> None:
        self.num = num
        self._ray = _import_ray()
        self._folder: str | None = None
        self._is_ours = not self._ray.is_initialized()
        self._workers: set[Any] = set()
        self._job: tuple[Any, ...] = ()
        try:
            if self._is_ours:
                self._join(address) if address else self._start()
            sizes = [node["Resources"] for node in self._nodes()]
            self.cores_each = cores_each(num, [int(size.get("CPU", 0)) for size in sizes])
            gpus = sum(size.get("GPU", 0.0) for size in sizes)
            self._gpus_each = gpus_share(num, gpus) if gpus_each is None else gpus_each
            if self._gpus_each > gpus:
                raise UsageError(
                    f"gpus_per_worker is {gpus_each:g}, and there are {gpus:g} GPUs. Give fewer, or leave it out."
                )
        except BaseException:
            self.close()
            raise

    def differences(self) -> list[str]:
        """What is different on machines of the cluster, a line each.

        Raises:
            UsageError: Machines lack actsearch.
        """
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        ask = self._ray.remote(num_cpus=0, max_retries=0)(package_versions)
        calls = {}
        for node in self._nodes():
            there = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
            calls[node["NodeManagerHostname"], node["NodeID"]] = ask.options(scheduling_strategy=there).remote()
        lines, lacking = [], []
        for (host, _), call in calls.items():
            try:
                found: Mapping[str, Any] = self._ray.get(call)
            except Exception as error:  # noqa: BLE001  whatever is wrong there, it is told
                lacking.append(f"{host}: {_short(error)}")
                continue
            ours = package_versions()
            different = [f"{name} {found[name]}, here {ours[name]}" for name in PACKAGES if found[name] != ours[name]]
            lines += [f"{host} has other versions, numbers may differ: {'; '.join(different)}"] if different else []
        if lacking:
            raise UsageError(
                "actsearch cannot be used on machines of the cluster. Install the same version there "
                "(`pip install actsearch[ray]`):\n  " + "\n  ".join(lacking)
            )
        return lines

    def send(self, make: "partial[Executions]") -> None:
        """Puts the search into Ray's object store: arrays lie there once a machine, and workers read them from it.

        Raises:
            UsageError: Something cannot be sent.
        """
        import cloudpickle  # type: ignore[import-untyped]

        from actsearch.search.setting import Setting

        setting = Setting.here()
        packed_setting(setting)
        packed_job(make)
        place = (list(sys.path), str(Path.cwd()))
        self._job = (place, cloudpickle.dumps(setting), self.cores_each, partial(_opened, [self._ray.put(make)]))

    def hire(self) -> Any:
        from actsearch.search.worker import Worker

        options = {"num_cpus": self.cores_each, "num_gpus": self._gpus_each, "scheduling_strategy": "SPREAD"}
        worker = self._ray.remote(**options)(Worker).remote()
        self._workers.add(worker)
        return worker

    def begin(self, worker: Any) -> Any:
        return worker.begin.remote(*self._job)

    def run(self, worker: Any, request: Any) -> Any:
        return worker.run.remote(request)

    def answers(self, calls: Sequence[Any], seconds: float) -> list[tuple[Any, Any]]:
        done, _ = self._ray.wait(list(calls), num_returns=1, timeout=seconds)
        return [(call, self._answer(call)) for call in done]

    def _answer(self, call: Any) -> Any:
        try:
            return self._ray.get(call)
        except self._ray.exceptions.RayTaskError as error:
            raise error.cause or error from error  # a mistake of ours, or of Ray's
        except self._ray.exceptions.RayError as error:
            return Lost(f"its worker was lost ({_short(error)})")

    def fire(self, worker: Any) -> None:
        self._workers.discard(worker)
        with suppress(self._ray.exceptions.RayError):
            self._ray.kill(worker)

    def close(self) -> None:
        """Ends the workers, and Ray where it was started or joined for this search."""
        if self._ray.is_initialized():
            for worker in list(self._workers):
                self.fire(worker)
            if self._is_ours:
                with _signals_kept():
                    self._ray.shutdown()
        if self._folder:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _start(self) -> None:
        self._folder = tempfile.mkdtemp(prefix="actsearch-", dir=_short_folder())
        with _signals_kept():
            self._ray.init(
                "local",
                num_cpus=max(self.num, num_cores()),
                include_dashboard=False,
                _node_ip_address="127.0.0.1",
                _temp_dir=self._folder,
                log_to_driver=False,
                logging_level=logging.ERROR,
            )

    def _join(self, address: str) -> None:
        try:
            with _signals_kept():
                self._ray.init(address, log_to_driver=False, logging_level=logging.ERROR)
        except (ConnectionError, RuntimeError, ValueError, self._ray.exceptions.RayError) as error:
            raise UsageError(
                f"There is no Ray cluster at {address} that can be joined ({_short(error)}). Start one with "
                "`ray start --head`, and give its address as HOST:PORT, or leave --address out."
            ) from error

    def _nodes(self) -> list[Any]:
        return [node for node in self._ray.nodes() if node["Alive"]]


def num_cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def cores_each(num: int, cores: Sequence[int]) -> int:
    """The cores of each of some workers: the most with which all of them fit on the machines, at least 1.

    Args:
        num: How many workers.
        cores: Of each machine.

    Example:

    >>> cores_each(3, [8, 4]), cores_each(5, [4])
    (4, 1)
    """
    fitting = [c for c in range(1, max(cores, default=1) + 1) if sum(size // c for size in cores) >= num]
    return max(fitting, default=1)


def gpus_share(num: int, gpus: float) -> float:
    """Equal shares of GPUs for some workers; above one, whole GPUs: Ray gives no others.

    Example:

    >>> gpus_share(4, 2), gpus_share(2, 5), gpus_share(2, 0)
    (0.5, 2.0, 0.0)
    """
    share = gpus / num
    return float(int(share)) if share > 1 else share


def _import_ray() -> Any:
    try:
        import ray
    except ImportError as error:
        raise UsageError(
            "Workers run on Ray, which is not installed. Install it with the extra: "
            'pip install "actsearch[ray]", or leave workers and address out.'
        ) from error
    return ray


def _opened(reference: list[Any]) -> Any:
    import ray

    return ray.get(reference[0])


def _short_folder() -> str | None:
    return None if len(tempfile.gettempdir()) < _SHORT_FOLDER or not Path("/tmp").is_dir() else "/tmp"


def _short(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return text if len(text) <= _LONGEST_REASON else f"{text[:_LONGEST_REASON]} ..."


@contextmanager
def _signals_kept() -> Iterator[None]:
    """Ray takes SIGTERM for itself."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
