"""What an execution costs, read from its own process: time, CPU, memory, and the GPU where there is one."""

import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

_CLEAR_REFS = Path("/proc/self/clear_refs")
_STATUS = Path("/proc/self/status")


@dataclass(frozen=True)
class Usage:
    """What a stretch of a process used. GPU figures are None where there is no GPU or no NVML."""

    cpu_seconds: float
    peak_rss_bytes: int
    peak_gpu_bytes: int | None
    gpu_joules: float | None


class Meter:
    """Measures what this process uses from its making until `read`.

    CPU seconds are those of all threads of this process. The peak of resident memory is the kernel's own on Linux,
    where it can be reset; elsewhere it is the process's highest since it began.

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
        self._cpu_seconds = self._read_cpu()

    def read(self) -> Usage:
        """The use so far."""
        gpu_bytes = [_memory_statistics().get_memory_info(gpu)["peak"] for gpu in self._gpus]
        return Usage(
            cpu_seconds=self._read_cpu() - self._cpu_seconds,
            peak_rss_bytes=_peak_memory(self._process),
            peak_gpu_bytes=sum(gpu_bytes) if gpu_bytes else None,
            gpu_joules=self._energy.joules(),
        )

    def _read_cpu(self) -> float:
        times = self._process.cpu_times()
        return float(times.user + times.system)


class Sampler:
    """What the process uses in each epoch, one sample at its end: some 50 microseconds."""

    def __init__(self) -> None:
        self._gpus = _gpu_names()
        self.samples: dict[str, list[float]] = {}
        self.begin()

    def begin(self) -> None:
        """A stretch begins here."""
        self._seconds, self._cpu_seconds = time.perf_counter(), self._read_cpu()

    def end(self) -> None:
        """The stretch ends here: adds a sample."""
        seconds = max(time.perf_counter() - self._seconds, 1e-9)
        found = {
            "cpu_percent": 100 * (self._read_cpu() - self._cpu_seconds) / seconds,
            "rss_mib": psutil.Process().memory_info().rss / 2**20,
        }
        if self._gpus:
            used = [_memory_statistics().get_memory_info(gpu)["current"] for gpu in self._gpus]
            found["gpu_mib"] = sum(used) / 2**20
        for name, value in found.items():
            self.samples.setdefault(name, []).append(value)

    def _read_cpu(self) -> float:
        times = psutil.Process().cpu_times()  # a new one each time: copies of callbacks can be made
        return float(times.user + times.system)


class Stopwatch:
    """Wall seconds since its making, or since the last `lap`."""

    def __init__(self) -> None:
        self._start = time.perf_counter()

    def lap(self) -> float:
        """Seconds since the last lap; begins the next one."""
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
    """Energy of the GPUs, from NVML where the extra `gpu` is installed; it counts the whole device."""

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
            self._handles = []  # no driver, or a device older than the counter: there is nothing to measure

    def joules(self) -> float | None:
        """Joules since the making; None where there is nothing to measure."""
        return (self._millijoules() - self._start) / 1000 if self._handles else None

    def _millijoules(self) -> int:
        import pynvml

        return sum(pynvml.nvmlDeviceGetTotalEnergyConsumption(handle) for handle in self._handles)
