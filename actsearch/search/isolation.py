"""Executions in a child process: what ends that process ends one execution, and the search goes on."""

import math
import sys
import time
from collections import deque
from functools import partial
from pathlib import Path
from typing import Any, Self

from actsearch.errors import ExecutionFailedError, SearchFailedError
from actsearch.records import ExecutionRequest
from actsearch.search.executors import Executor, failed, is_out_of_memory
from actsearch.search.packing import packed_job, packed_setting
from actsearch.search.process import Child
from actsearch.search.setting import Setting
from actsearch.search.transport import Parcel, Raised
from actsearch.training.execution import Executions, Trained

START_SECONDS = 600.0


class Isolated(Executor):
    """Runs executions in one child process, which keeps TensorFlow and its traced models from one to the next.

    An execution that ends the process (abort, segmentation fault, no memory left), or takes longer than `timeout`, is
    FAILED with that as its reason; the next one begins in a new process. None is kept in reserve: it would take some
    700 MB, and importing TensorFlow beside an execution would falsify what is measured of it.

    What the model's code and callbacks change in memory stays in the child process. As a context manager it waits
    until the process is ready.

    Args:
        make: The `Executions` to make there, with its arguments.
        timeout: Seconds that an execution may take; without one, for ever.
        child: A process that has been started before, to save time.

    Raises:
        UsageError: Something cannot be sent to the child process; on entering, it cannot be used there.
        SearchFailedError: On entering, the process ended before it was ready.
    """

    def __init__(
        self, make: "partial[Executions]", *, timeout: float | None = None, child: Child | None = None
    ) -> None:
        self._timeout = math.inf if timeout is None else timeout
        self._waiting: deque[ExecutionRequest] = deque()
        place = Parcel.of((sys.path, Path.cwd()))  # needed to open the others
        self._job = (place, packed_setting(Setting.here()), packed_job(make))
        self._child: Child | None = child or Child()
        self._ready = False

    def __enter__(self) -> Self:
        try:
            self._ready_child()
        except ExecutionFailedError as error:
            self.close()
            raise SearchFailedError(f"The child process of the search could not begin: {error}.") from error
        except BaseException:
            self.close()
            raise
        return self

    def submit(self, request: ExecutionRequest) -> None:
        self._waiting.append(request)

    def next(self) -> Trained:
        request, started_at = self._waiting.popleft(), time.time()
        try:
            child = self._ready_child()
            started_at = time.time()
            child.send([Parcel.of(request)])
            answer = _opened(child.receive(self._timeout))
        except TimeoutError:
            self.close()
            return failed(request, started_at, f"took longer than {self._timeout:g} s (execution_timeout)")
        except ExecutionFailedError as error:
            self.close()
            return failed(request, started_at, str(error))
        if is_out_of_memory(answer.record):
            self.close()  # who knows what is left of its memory
        return answer

    def cancel(self) -> list[ExecutionRequest]:
        given_up, self._waiting = list(self._waiting), deque()
        return given_up

    def close(self) -> None:
        if self._child is not None:
            self._child.close()
        self._child, self._ready = None, False

    def _ready_child(self) -> Child:
        """The child process, its job done up to the first request; a new one where the last one has ended."""
        if self._child is not None and self._ready and not self._child.alive:
            self.close()
        self._child = self._child or Child()
        if not self._ready:
            self._child.send(self._job)
            try:
                _opened(self._child.receive(START_SECONDS))
            except TimeoutError:
                raise ExecutionFailedError(f"the process was not ready after {START_SECONDS:g} s") from None
            self._ready = True
        return self._child


def _opened(answer: Any) -> Any:
    if isinstance(answer, Raised):
        raise answer.error()
    return answer
