"""A worker of a search: a process of Ray's that runs executions, one after the other, as they are asked for."""

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from actsearch._startup import exempt_imports, load_tensorflow, resting
from actsearch.executors.serialization import answered, begun


class Worker:
    """Runs the executions of one search; it imports TensorFlow on being made, before it knows what to do.

    Where there is a GPU, its memory is taken as it is needed: others may share it.
    """

    def __init__(self) -> None:
        os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
        load_tensorflow()
        with resting():
            import actsearch.training.execution  # noqa: F401  what every search needs, while there is nothing to do yet

        exempt_imports()
        self._executions: Any = None

    def begin(self, place: tuple[Sequence[str], str], num_threads: int, open_setting: Any, open_job: Any) -> Any:
        """Gets ready.

        Args:
            place: The search's module path and its working directory, where it is here too.
            num_threads: TensorFlow's threads, where the search's process left them to TensorFlow.
            open_setting: Gives what the search's process had set; it needs the module path.
            open_job: Gives the call that makes the executions; it needs the setting.

        Returns:
            None, or `Raised`.
        """
        begin = partial(self._begin, place, num_threads, open_setting, open_job)
        return answered(partial(begun, begin))

    def run(self, request: Any) -> Any:
        """One execution: what it leaves, or `Raised`."""
        return answered(partial(self._executions.run, request))

    def _begin(
        self,
        place: tuple[Sequence[str], str],
        num_threads: int,
        open_setting: Callable[[], Any],
        open_job: Callable[[], Any],
    ) -> None:
        folders, folder = place
        there = [other for other in folders if Path(other).exists()]
        sys.path[:] = [*there, *(other for other in sys.path if other not in there)]
        if Path(folder).is_dir():
            os.chdir(folder)
        setting = open_setting()
        within, between = setting.threads
        replace(setting, threads=(within or num_threads, between or num_threads)).take_up()
        self._executions = open_job()()
