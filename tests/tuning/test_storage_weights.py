"""The weights of a trial: written whole or not at all, and read back as they were."""

import subprocess
import sys
import time

import ml_dtypes
import numpy as np
import pytest

from actsearch.errors import LedgerError
from actsearch.tuning.storage import load_weights, save_weights


def test_weights_come_back_in_their_order(tmp_path):
    weights = [np.full((2, 3), number, "float32") for number in range(12)] + [np.array(3, "int64")]
    save_weights(tmp_path, "0", weights)
    for kept, given in zip(load_weights(tmp_path, "0"), weights, strict=True):
        assert kept.dtype == given.dtype
        np.testing.assert_array_equal(kept, given)


def test_bfloat16_keeps_its_values(tmp_path):
    given = np.array([1.5, -3.0], ml_dtypes.bfloat16)
    save_weights(tmp_path, "0", [given])
    np.testing.assert_array_equal(load_weights(tmp_path, "0")[0], given.astype("float32"))


def test_weights_that_are_not_there(tmp_path):
    with pytest.raises(LedgerError, match="no weights were kept for trial 7: none of its executions completed"):
        load_weights(tmp_path, "7")


def test_damaged_weights_are_found(tmp_path):
    save_weights(tmp_path, "0", [np.arange(1000.0), np.arange(30)])
    path = tmp_path / "weights" / "0.npz"
    content = path.read_bytes()
    for place in range(0, len(content), 97):
        changed = bytearray(content)
        changed[place] ^= 1 << place % 8
        for damaged in (bytes(changed), content[:place]):
            path.write_bytes(damaged)
            try:
                kept = load_weights(tmp_path, "0")
            except LedgerError as error:
                assert "the weights of trial 0 are damaged" in str(error)
            else:
                np.testing.assert_array_equal(kept[0], np.arange(1000.0))
                np.testing.assert_array_equal(kept[1], np.arange(30))


WRITER = """
import sys
from pathlib import Path
import numpy as np
from actsearch.tuning.storage import save_weights
for number in range(10**6):
    save_weights(Path(sys.argv[1]), "0", [np.full((300, 300), number), np.array(number)])
    print(number, flush=True)
"""


@pytest.mark.parametrize(
    "wait", [0.0015, *(pytest.param(wait, marks=pytest.mark.slow) for wait in (0.0, 0.0007, 0.003, 0.0061))]
)
def test_a_kill_leaves_whole_weights(tmp_path, wait):
    """SIGKILL at some moment after the third was written: the third or a later one is there, all of it."""
    with subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True) as writer:
        for line in writer.stdout:
            if int(line) == 3:
                time.sleep(wait)
                writer.kill()
                break
    table, number = load_weights(tmp_path, "0")
    assert number >= 3
    assert (table == number).all()
    save_weights(tmp_path, "0", [np.ones(2)])
    assert [file.name for file in (tmp_path / "weights").iterdir()] == ["0.npz"]
