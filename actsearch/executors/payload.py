"""A pickled object, whose arrays are sent without a copy."""

import pickle
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, Self

import cloudpickle  # type: ignore[import-untyped]


@dataclass(frozen=True)
class Payload:
    """A pickled object; its arrays are kept separately from the pickle, so that they are sent without a copy.

    Functions and classes defined in a script are sent by value, those of modules by name.

    Example:

    >>> Payload.pack([1, 2]).unpack()
    [1, 2]
    """

    pickled: bytes
    arrays: Sequence[pickle.PickleBuffer]

    @classmethod
    def pack(cls, content: Any) -> Self:
        """Pickles an object; passes on any exception from pickling it."""
        arrays: list[pickle.PickleBuffer] = []
        pickled = cloudpickle.dumps(content, protocol=5, buffer_callback=arrays.append)
        return cls(pickled, arrays)

    def unpack(self) -> Any:
        """Unpickles the object; passes on any exception from its construction."""
        return pickle.loads(self.pickled, buffers=self.arrays)

    def send(self, connection: Connection) -> None:
        """Sends the payload; raises an OSError if the other end is closed."""
        arrays = [array.raw() for array in self.arrays]
        connection.send([array.nbytes for array in arrays])
        connection.send_bytes(self.pickled)
        for array in arrays:
            connection.send_bytes(array)

    @classmethod
    def receive(cls, connection: Connection) -> Self:
        """Waits for a payload; raises an EOFError or OSError if the other end is closed."""
        sizes = connection.recv()
        pickled = connection.recv_bytes()
        arrays = [bytearray(size) for size in sizes]  # writable, like the arrays that were sent
        for array in arrays:
            connection.recv_bytes_into(array)
        return cls(pickled, [pickle.PickleBuffer(array) for array in arrays])
