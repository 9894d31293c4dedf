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
from functools import partial
from multiprocessing.connection import Connection
from typing import Any

from actsearch._startup import exempt_imports, load_tensorflow, resting
from actsearch.executors.serialization import Parcel, Raised, answered, begun

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
    with resting():
        import actsearch.training.execution  # noqa: F401  what every search needs, while there is nothing to do yet

    exempt_imports()
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
    executions = answered(partial(begun, partial(_begin, parcels)))
    if isinstance(executions, Raised):
        Parcel.of(executions).send(connection)
        return
    Parcel.of(None).send(connection)
    while True:
        Parcel.of(answered(partial(executions.run, parcels.get().opened()))).send(connection)


def _begin(parcels: "queue.SimpleQueue[Parcel]") -> Any:
    sys.path[:], folder = parcels.get().opened()
    os.chdir(folder)
    parcels.get().opened().take_up()
    return parcels.get().opened()()
