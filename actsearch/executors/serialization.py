"""What a search and its workers send each other; it never passes through a file."""

import inspect
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from actsearch._private import keras_message
from actsearch.errors import ExecutionFailedError, UsageError, summarize
from actsearch.executors.payload import Payload

if TYPE_CHECKING:
    from actsearch.training.execution import Executions

_ADVICE = {
    "build": "Pass a function that makes the model and all objects that it uses, in a module that can be imported",
    "data": "Pass arrays",
    "callbacks": "Pass a function that returns new callbacks, callbacks=lambda: [MyCallback()]",
}
_OTHER_ADVICE = "Define it in a module that can be imported, and create the objects that it uses inside it"
_IN_PROCESS = "or search in this process: omit executor, --isolate and --workers"


@dataclass(frozen=True)
class Job:
    """What a worker needs before it can run the executions of a search; unpacked in this order.

    Args:
        module_path: Import path of the search's process.
        folder: Working directory of the search's process.
        state: `ProcessState` of the search's process.
        executions: Makes the `Executions`.
    """

    module_path: Sequence[str]
    folder: str
    state: Payload
    executions: Payload


@dataclass(frozen=True)
class Raised:
    """An exception to be raised in the other process."""

    kind: type[BaseException]
    message: str

    def error(self) -> BaseException:
        """Makes the exception without calling its `__init__`, which may take other arguments than the message."""
        return self.kind.__new__(self.kind, self.message)


@dataclass(frozen=True)
class Lost:
    """Returned instead of an answer if the worker was lost.

    Args:
        reason: How the worker ended.
        was_idle: Whether it had ended before the call.
    """

    reason: str
    was_idle: bool = False


def answer_of(work: Callable[[], Any]) -> Any:
    """Returns the result of the work, or `Raised` if the whole search is invalid or interrupted."""
    try:
        return work()
    except (UsageError, KeyboardInterrupt) as error:
        return Raised(type(error), str(error))


def set_up(make: Callable[[], Any]) -> Any:
    """Sets up a search that was sent, which runs the user's code.

    Args:
        make: Called to set it up.

    Returns:
        What `make` returns.

    Raises:
        UsageError: The user's code failed.
        MemoryError, ExecutionFailedError: It failed for a reason that is not the user's code.
    """
    try:
        return make()
    except (MemoryError, ExecutionFailedError, UsageError):
        raise
    except Exception as error:
        raise UsageError(
            f"The search cannot be set up in another process: {type(error).__name__}: {keras_message(error)} "
            "Pass a function that makes the model, actsearch.search(make_model, x, y), or register your own layers and "
            "functions with @keras.saving.register_keras_serializable(), in a module that can be imported; "
            f"{_IN_PROCESS}."
        ) from error


def pack_job(make: "partial[Executions]") -> Job:
    """Packs what workers need for a search that this process runs.

    Args:
        make: Makes the `Executions`; a partial of the class with its arguments.

    Returns:
        The job to send to the workers.

    Raises:
        UsageError: Something cannot be sent; the message says what.
    """
    from actsearch.executors.process_state import ProcessState  # imports Keras

    try:
        state = Payload.pack(ProcessState.capture())
    except Exception as error:
        raise UsageError(_cannot_be_sent("registered activations, layers and functions", error)) from error
    return Job(list(sys.path), str(Path.cwd()), state, _pack_call(make))


def _pack_call(make: "partial[Any]") -> Payload:
    try:
        return Payload.pack(make)
    except Exception as error:
        for name, part in inspect.signature(make.func).bind(*make.args, **make.keywords).arguments.items():
            try:
                Payload.pack(part)
            except Exception as cause:
                raise UsageError(_cannot_be_sent(name, cause)) from cause
        raise UsageError(_cannot_be_sent("search", error)) from error


def _cannot_be_sent(name: str, error: Exception) -> str:
    return (
        f"`{name}` cannot be sent to another process ({summarize(error)}). "
        f"{_ADVICE.get(name, _OTHER_ADVICE)}; {_IN_PROCESS}."
    )
