"""The child process of a search: it runs executions, one after the other, as they are asked for.

Started by `Child`. Its parent holds the other end of the connection and decides: this process ignores Ctrl-C, and
ends with its parent.
"""

import ctypes
import os
import queue
import signal
import sys
import threading
import traceback
from multiprocessing.connection import Connection
from typing import Any

from actsearch.errors import UsageError
from actsearch.quiet import load_tensorflow
from actsearch.search.transport import Parcel, Raised

_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Serves the connection with file number `argv[1]` to the process `argv[2]`."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    connection, parent = Connection(int(sys.argv[1])), int(sys.argv[2])
    os.set_inheritable(connection.fileno(), False)
    _end_with(parent)
    sys.stdout = sys.stderr
    parcels: queue.SimpleQueue[Parcel] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(connection, parcels), daemon=True).start()
    load_tensorflow()
    import actsearch.training.execution  # noqa: F401  what every search needs, while there is nothing to do yet

    _serve(connection, parcels)


def _end_with(parent: int) -> None:
    """The kernel ends this process with its parent; a thread would wait for a model that holds Python's lock."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(0)


def _listen(connection: Connection, parcels: "queue.SimpleQueue[Parcel]") -> None:
    """Takes parcels in, also while others are worked on: so the end of the parent is noticed on every system."""
    try:
        while True:
            parcels.put(Parcel.receive(connection))
    except (EOFError, ConnectionError):
        os._exit(0)
    except BaseException:  # noqa: BLE001  whatever it is, nobody would be served any more
        traceback.print_exc()
        os._exit(1)


def _serve(connection: Connection, parcels: "queue.SimpleQueue[Parcel]") -> None:
    """First the job, answered with None or with what is wrong with it; then executions."""
    try:
        executions = _begin(parcels)
    except MemoryError:
        raise  # no fault of the job
    except UsageError as error:
        Parcel.of(Raised(type(error), str(error))).send(connection)
        return
    except Exception as error:  # noqa: BLE001  making the user's objects anew runs the user's code
        Parcel.of(Raised(UsageError, _cannot_begin(error))).send(connection)
        return
    Parcel.of(None).send(connection)
    while True:
        request = parcels.get().opened()
        answer: Any
        try:
            answer = executions.run(request)
        except (UsageError, KeyboardInterrupt) as error:
            answer = Raised(type(error), str(error))
        Parcel.of(answer).send(connection)


def _begin(parcels: "queue.SimpleQueue[Parcel]") -> Any:
    sys.path[:], folder = parcels.get().opened()
    os.chdir(folder)
    parcels.get().opened().take_up()
    make = parcels.get().opened()
    return make()


def _cannot_begin(error: Exception) -> str:
    return (
        f"The search cannot be set up in a child process: {type(error).__name__}: {error} "
        "Define what you pass in modules that can be imported, and register layers and functions of your own with "
        "@keras.saving.register_keras_serializable(); or search without isolate."
    )
