"""What goes between a search and its workers: pickled, and never through a file."""

import inspect
import pickle
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import cloudpickle  # type: ignore[import-untyped]

from actsearch.errors import ExecutionFailedError, UsageError, summarize

if TYPE_CHECKING:
    from actsearch.training.execution import Executions

_ADVICE = {
    "data": "Pass arrays",
    "callbacks": "Pass a function that returns new callbacks, callbacks=lambda: [MyCallback()]",
}
_OTHER_ADVICE = "Define it in a module that can be imported, and make inside it what it uses"
_IN_PROCESS = "or search in this process: omit executor, --isolate and --workers"


@dataclass(frozen=True)
class Payload:
    """A pickled object; arrays stay apart from the pickle, so that they are sent from where they are.

    Functions and classes of a script are sent whole, those of modules by name.

    Example:

    >>> Payload.pack([1, 2]).unpack()
    [1, 2]
    """

    pickled: bytes
    arrays: Sequence[pickle.PickleBuffer]

    @classmethod
    def pack(cls, content: Any) -> Self:
        """Pickles an object; raises whatever its pickling raises."""
        arrays: list[pickle.PickleBuffer] = []
        pickled = cloudpickle.dumps(content, protocol=5, buffer_callback=arrays.append)
        return cls(pickled, arrays)

    def unpack(self) -> Any:
        """The object; raises whatever its making raises."""
        return pickle.loads(self.pickled, buffers=self.arrays)

    def send(self, connection: Connection) -> None:
        """Sends it; raises OSError where nobody receives it."""
        arrays = [array.raw() for array in self.arrays]
        connection.send([array.nbytes for array in arrays])
        connection.send_bytes(self.pickled)
        for array in arrays:
            connection.send_bytes(array)

    @classmethod
    def receive(cls, connection: Connection) -> Self:
        """Waits for one; raises EOFError or OSError where the other side is gone."""
        sizes = connection.recv()
        pickled = connection.recv_bytes()
        arrays = [bytearray(size) for size in sizes]  # writable, as arrays are
        for array in arrays:
            connection.recv_bytes_into(array)
        return cls(pickled, [pickle.PickleBuffer(array) for array in arrays])


@dataclass(frozen=True)
class Job:
    """What a worker needs before it can run the executions of a search; unpacked in this order.

    Args:
        module_path: Where the search's process imports from.
        folder: Its working directory.
        state: Its `ProcessState`.
        executions: The call that makes the `Executions`.
    """

    module_path: Sequence[str]
    folder: str
    state: Payload
    executions: Payload


@dataclass(frozen=True)
class Raised:
    """An exception that is to be raised on the other side."""

    kind: type[BaseException]
    message: str

    def error(self) -> BaseException:
        """The exception. It is not called with the message: its class may want other arguments."""
        return self.kind.__new__(self.kind, self.message)


@dataclass(frozen=True)
class Lost:
    """In place of an answer: the worker is gone.

    Args:
        reason: How it ended.
        was_idle: Whether it had ended before it was asked.
    """

    reason: str
    was_idle: bool = False


def answer_of(work: Callable[[], Any]) -> Any:
    """The result of the work, or `Raised` where the search is meaningless or interrupted."""
    try:
        return work()
    except (UsageError, KeyboardInterrupt) as error:
        return Raised(type(error), str(error))


def set_up(make: Callable[[], Any]) -> Any:
    """The result of making what was sent, which runs the user's code.

    Raises:
        UsageError: It fails.
        MemoryError, ExecutionFailedError: No fault of what was sent.
    """
    try:
        return make()
    except (MemoryError, ExecutionFailedError, UsageError):
        raise
    except Exception as error:
        raise UsageError(
            f"The search cannot be set up in another process: {summarize(error)} "
            "Define what you pass in modules that can be imported, and register layers and functions of your own with "
            f"@keras.saving.register_keras_serializable(); {_IN_PROCESS}."
        ) from error


def pack_job(make: "partial[Executions]") -> Job:
    """What workers need for a search that this process runs.

    Args:
        make: The `Executions` to make, with its arguments.

    Raises:
        UsageError: Something cannot be sent; the message says what.
    """
    from actsearch.executors.process_state import ProcessState  # which imports Keras

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
