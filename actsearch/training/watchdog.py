"""Finds executions that make no progress, and reports them: a process cannot end what waits inside TensorFlow."""

import faulthandler
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import keras

IDLE_SECONDS = 60.0  # without CPU time: nothing is computed
BUSY_SECONDS = 1800.0  # with CPU time: perhaps only a long epoch
_IDLE_SHARE = 0.01  # of a core


class Watchdog(keras.callbacks.Callback):
    """Reports on standard error if no epoch begins or ends for a long time; a context manager around an execution.

    Args:
        what: What is watched: `"Execution 1 of trial 3"`.
        idle_seconds: Seconds without progress before a report if the process uses no CPU.
        busy_seconds: The same if it does.
        say: Called with the report; prints it on standard error if omitted.
    """

    def __init__(
        self,
        what: str,
        *,
        idle_seconds: float | None = None,
        busy_seconds: float | None = None,
        say: Callable[[str], None] | None = None,
    ) -> None:
        super().__init__()
        self._what, self._say = what, say or _print
        self._idle_seconds = IDLE_SECONDS if idle_seconds is None else idle_seconds
        self._busy_seconds = BUSY_SECONDS if busy_seconds is None else busy_seconds
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="actsearch-watchdog", daemon=True)
        self._progress("it was started")

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002
        self._progress(f"epoch {epoch + 1} was started")

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002
        self._progress(f"epoch {epoch + 1} ended")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()

    def _progress(self, step: str) -> None:
        self._last = (step, time.monotonic(), time.strftime("%H:%M:%S"))

    def _watch(self) -> None:
        """Compares the CPU time between two looks; each further report on the same step waits twice as long."""
        interval = self._idle_seconds / 4
        quiet, reported, patience = 0.0, None, 1.0
        before = time.process_time()
        while not self._ended.wait(interval):
            last = self._last
            now = time.process_time()
            quiet = quiet + interval if now - before < _IDLE_SHARE * interval else 0.0
            before = now
            if reported is not last:
                patience = 1.0
            seconds = time.monotonic() - last[1]
            is_idle = min(quiet, seconds) >= patience * self._idle_seconds
            if is_idle or seconds >= patience * self._busy_seconds:
                reported, patience = last, patience * 2
                self._say(self._report(*last, is_idle))

    def _report(self, step: str, begin: float, clock: str, is_idle: bool) -> str:
        minutes = (time.monotonic() - begin) / 60
        state = "uses no CPU" if is_idle else "uses the CPU, so this may be a long epoch or a loop without end"
        return (
            f"{self._what} makes no progress: {step} at {clock}, {minutes:.1f} minutes ago, and nothing since; the "
            f"process {state}. Its stacks are in {_dump_stacks()}. To have such an execution ended, stop the search "
            "and resume it with executor=actsearch.executors.Local(1, timeout=SECONDS)."
        )


def _dump_stacks() -> Path:
    path = Path(tempfile.gettempdir()) / f"actsearch-stacks-{os.getpid()}.txt"
    with path.open("w") as file:
        faulthandler.dump_traceback(file)
    return path


def _print(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
