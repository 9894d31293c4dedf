from multiprocessing import Pipe

import numpy as np
import pytest

from actsearch.executors.payload import Payload


def test_arrays_are_packed_without_a_copy():
    data = {"x": np.arange(6.0).reshape(2, 3), "empty": np.zeros((0, 3))}
    payload = Payload.pack(data)
    assert len(payload.arrays) == 2
    unpacked = payload.unpack()
    assert np.shares_memory(unpacked["x"], data["x"])
    np.testing.assert_array_equal(unpacked["x"], data["x"])
    assert unpacked["empty"].shape == (0, 3)


@pytest.mark.parametrize("order", ["C", "F"])
def test_a_payload_inside_another_goes_through_a_pipe(order):
    """As the job of a search does; arrays are writable on the other side."""
    array = np.asarray(np.arange(6.0).reshape(2, 3), order=order)
    here, there = Pipe()
    with here, there:
        Payload.pack(("begin", Payload.pack(array))).send(here)
        method, inner = Payload.receive(there).unpack()
    found = inner.unpack()
    assert method == "begin"
    np.testing.assert_array_equal(found, array)
    assert found.flags.writeable
