"""What of the machines each worker gets."""

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from actsearch.errors import UsageError


@dataclass(frozen=True)
class Machine:
    """What Ray may give away of a machine."""

    cores: int
    gpus: float = 0.0


@dataclass(frozen=True)
class Share:
    """What one worker gets."""

    cores: int
    gpus: float

    def num_fitting(self, machines: Sequence[Machine]) -> int:
        """How many workers with this share there is room for."""
        return sum(
            min(m.cores // self.cores, int(m.gpus / self.gpus + 1e-9) if self.gpus else m.cores) for m in machines
        )


def equal_share(num: int, machines: Sequence[Machine], gpus_each: float | None = None) -> Share:
    """The most cores with which so many workers fit, and of GPUs an equal share, one at most: TensorFlow uses no more.

    Args:
        num: How many workers.
        machines: Where they run.
        gpus_each: GPUs of each worker; None for equal shares.

    Raises:
        UsageError: So many do not fit.

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
    there = ", ".join(f"{m.cores} cores and {m.gpus:g} GPUs" for m in machines)
    raise UsageError(
        f"{num} workers with a core and {gpus:g} GPUs each do not fit: {most} do. There are machines with {there}. "
        "Ask for fewer workers, or for smaller shares of a GPU (gpus_per_worker)."
    )


def check_workers(num: Any, address: str | None, gpus_each: float | None) -> None:
    """Raises a UsageError where there can be no such workers."""
    if not isinstance(num, int) or isinstance(num, bool) or num < 0:
        raise UsageError(f"workers must be a whole number from 0 on, not {num!r}.")
    if gpus_each is not None and not (gpus_each >= 0 and (gpus_each <= 1 or gpus_each == int(gpus_each))):
        raise UsageError(f"gpus_per_worker must be a share of a GPU or a whole number of them, not {gpus_each!r}.")
    if address is not None and address.startswith("ray://"):
        raise UsageError(
            f"{address!r} is the address of a Ray client. Run the search on a machine of the cluster, and give auto or "
            "HOST:PORT as the address."
        )
    if not num and (address is not None or gpus_each is not None):
        raise UsageError("address and gpus_per_worker are for workers: give their number too, workers=2.")


def num_cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
