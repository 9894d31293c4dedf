"""Measures the resources of an execution in its own process: time, CPU, memory, and GPU if there is one."""

import os
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

_CLEAR_REFS = Path("/proc/self/clear_refs")
_STATUS = Path("/proc/self/status")


@dataclass(frozen=True)
class Usage:
    """The resource usage of a process over a period. GPU figures are None without a GPU or NVML."""

    cpu_seconds: float
    peak_rss_bytes: int
    peak_gpu_bytes: int | None
    gpu_joules: float | None


class Meter:
    """Measures the resource usage of this process from the meter's creation until `read`.

    CPU seconds include all threads of this process. On Linux, the peak of resident memory is the kernel's figure, which
    can be reset; elsewhere, it is the peak since the process started.

    Example:

    >>> meter = Meter()
    >>> meter.read().peak_rss_bytes > 0
    True
    """

    def __init__(self) -> None:
        self._process = psutil.Process()
        self._energy = _Energy()
        self._gpus = _gpu_names()
        _reset_peak_memory()
        for gpu in self._gpus:
            _memory_statistics().reset_memory_stats(gpu)
        self._cpu_seconds = time.process_time()

    def read(self) -> Usage:
        """Returns the usage so far."""
        gpu_bytes = [_memory_statistics().get_memory_info(gpu)["peak"] for gpu in self._gpus]
        return Usage(
            cpu_seconds=time.process_time() - self._cpu_seconds,
            peak_rss_bytes=_peak_memory(self._process),
            peak_gpu_bytes=sum(gpu_bytes) if gpu_bytes else None,
            gpu_joules=self._energy.joules(),
        )


class Sampler:
    """Samples the resource usage of the process at the end of each epoch, in about 50 microseconds."""

    def __init__(self) -> None:
        self._gpus = _gpu_names()
        self.samples: dict[str, list[float]] = {}
        self.begin()

    def begin(self) -> None:
        """Starts a period."""
        self._seconds, self._cpu_seconds = time.perf_counter(), time.process_time()

    def end(self) -> None:
        """Ends the period and adds a sample."""
        seconds = max(time.perf_counter() - self._seconds, 1e-9)
        sample = {
            "cpu_percent": 100 * (time.process_time() - self._cpu_seconds) / seconds,
            "rss_mib": psutil.Process().memory_info().rss / 2**20,
        }
        if self._gpus:
            used = [_memory_statistics().get_memory_info(gpu)["current"] for gpu in self._gpus]
            sample["gpu_mib"] = sum(used) / 2**20
        for name, value in sample.items():
            self.samples.setdefault(name, []).append(value)


def undisturbed_seconds(epoch_seconds: Sequence[float], num_epochs: int | None = None) -> float:
    """Returns the median epoch times the number of epochs: all, or `num_epochs`.

    Example: one epoch was held up.

    >>> undisturbed_seconds([1.0, 1.0, 7.0, 1.0])
    4.0
    """
    count = len(epoch_seconds) if num_epochs is None else num_epochs
    return statistics.median(epoch_seconds) * count if epoch_seconds else 0.0


class Stopwatch:
    """Measures wall time since its creation or the last `lap`, in seconds."""

    def __init__(self) -> None:
        self._start = time.perf_counter()

    def lap(self) -> float:
        """Returns the seconds since the last lap, and starts the next one."""
        now = time.perf_counter()
        seconds, self._start = now - self._start, now
        return seconds


def _reset_peak_memory() -> None:
    if _CLEAR_REFS.exists() and os.access(_CLEAR_REFS, os.W_OK):
        _CLEAR_REFS.write_text("5")


def _peak_memory(process: psutil.Process) -> int:
    if _STATUS.exists():
        for line in _STATUS.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    if sys.platform == "win32":
        return int(process.memory_info().peak_wset)
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(peak if sys.platform == "darwin" else peak * 1024)


def _memory_statistics() -> Any:
    import tensorflow as tf

    return tf.config.experimental


def _gpu_names() -> list[str]:
    import tensorflow as tf

    return [f"GPU:{number}" for number, _ in enumerate(tf.config.list_logical_devices("GPU"))]


class _Energy:
    """Energy of the GPUs from NVML, if the extra `gpu` is installed; it includes all processes on the device."""

    def __init__(self) -> None:
        self._handles: list[object] = []
        try:
            import pynvml
        except ImportError:
            return
        try:
            pynvml.nvmlInit()
            count = pynvml.nvmlDeviceGetCount()
            self._handles = [pynvml.nvmlDeviceGetHandleByIndex(number) for number in range(count)]
            self._start = self._millijoules()
        except pynvml.NVMLError:
            self._handles = []  # no driver, or a device without an energy counter

    def joules(self) -> float | None:
        """Returns the joules since its creation; None if they cannot be measured."""
        return (self._millijoules() - self._start) / 1000 if self._handles else None

    def _millijoules(self) -> int:
        import pynvml

        return sum(pynvml.nvmlDeviceGetTotalEnergyConsumption(handle) for handle in self._handles)
