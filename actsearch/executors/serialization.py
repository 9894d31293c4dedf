"""What goes between a search and the processes that train for it: pickled, and never through a file."""

import inspect
import pickle
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any, Self

import cloudpickle  # type: ignore[import-untyped]

from actsearch.errors import ExecutionFailedError, UsageError, summarize


@dataclass(frozen=True)
class Parcel:
    """A pickled object; arrays stay apart from the pickle, so that they are sent from where they are.

    Functions and classes of a script are sent whole, those of modules by name.

    Example:

    >>> Parcel.of([1, 2]).opened()
    [1, 2]
    """

    pickled: bytes
    arrays: Sequence[Any]

    @classmethod
    def of(cls, content: Any) -> Self:
        """Packs an object; raises whatever its pickling raises."""
        arrays: list[pickle.PickleBuffer] = []
        pickled = cloudpickle.dumps(content, protocol=5, buffer_callback=arrays.append)
        return cls(pickled, [array.raw() for array in arrays])

    def opened(self) -> Any:
        """The object; raises whatever its making raises."""
        return pickle.loads(self.pickled, buffers=self.arrays)

    def send(self, connection: Connection) -> None:
        """Sends it; raises OSError where nobody is there to receive it."""
        connection.send([array.nbytes for array in self.arrays])
        connection.send_bytes(self.pickled)
        for array in self.arrays:
            connection.send_bytes(array)

    @classmethod
    def receive(cls, connection: Connection) -> Self:
        """Waits for one; raises EOFError or OSError where the other side is gone."""
        sizes = connection.recv()
        pickled = connection.recv_bytes()
        arrays = [bytearray(size) for size in sizes]  # writable, as arrays are
        for array in arrays:
            connection.recv_bytes_into(array)
        return cls(pickled, arrays)


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
    """In place of an answer: who was asked is gone."""

    reason: str


def answered(work: Callable[[], Any]) -> Any:
    """What the work gives; where it says that the search is meaningless, or is interrupted, that as `Raised`."""
    try:
        return work()
    except (UsageError, KeyboardInterrupt) as error:
        return Raised(type(error), str(error))


def begun(make: Callable[[], Any]) -> Any:
    """What was sent, made anew; that runs the user's code.

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
            "@keras.saving.register_keras_serializable(); or search without isolate and workers."
        ) from error


if TYPE_CHECKING:
    from actsearch.executors.process_state import Setting

_ADVICE = {
    "data": "Pass arrays",
    "callbacks": "Pass a function that returns new callbacks, callbacks=lambda: [MyCallback()]",
}
_OTHER_ADVICE = "Define it in a module that can be imported, and make inside it what it uses"


def packed_setting(setting: "Setting") -> Parcel:
    """What code before the search has set in this process.

    Raises:
        UsageError: Something of it cannot be sent.
    """
    try:
        return Parcel.of(setting)
    except Exception as error:
        raise UsageError(_cannot_be_sent("registered activations, layers and functions", error)) from error


def packed_job(make: "partial[Any]") -> Parcel:
    """The call that makes the search's `Executions` in another process.

    Raises:
        UsageError: An argument cannot be sent; the message says which.
    """
    try:
        return Parcel.of(make)
    except Exception as error:
        for name, part in inspect.signature(make.func).bind(*make.args, **make.keywords).arguments.items():
            try:
                Parcel.of(part)
            except Exception as cause:
                raise UsageError(_cannot_be_sent(name, cause)) from cause
        raise UsageError(_cannot_be_sent("search", error)) from error


def _cannot_be_sent(name: str, error: Exception) -> str:
    return (
        f"`{name}` cannot be sent to another process ({summarize(error)}). "
        f"{_ADVICE.get(name, _OTHER_ADVICE)}; or search without isolate and workers."
    )
