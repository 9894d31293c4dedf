"""Pictures that children of the process draw. A program of its own forks: this one has the threads of TensorFlow."""

import subprocess
import sys

import pytest
from matplotlib.figure import Figure

from actsearch.tracking.drawing import CAN_FORK, drawing

PROGRAM = """
import os
from pathlib import Path
import time
import psutil
from matplotlib.figure import Figure
import actsearch.tracking.drawing as module
from actsearch.tracking.drawing import drawing

ME, here = os.getpid(), Path("pictures")
here.mkdir()

def by_children():
    Path("child").write_text(str(os.getpid()))
    return Figure((1, 1))

def only_by_me():
    if os.getpid() != ME:
        raise ValueError("drawn by a child")
    return Figure((1, 1))

def by_nobody():
    raise ValueError("nobody can draw this")

with drawing({"one": by_children, "two": only_by_me, "three": by_children}, here, beside=True) as finish:
    finish()
assert sorted(file.name for file in here.iterdir()) == ["one.png", "three.png", "two.png"]
assert int(Path("child").read_text()) != ME
try:
    with drawing({"four": by_nobody}, here, beside=True) as finish:
        finish()
except ValueError as error:
    print(error)
try:
    with drawing({"five": by_children}, here, beside=True):
        raise OSError("the store is gone")
except OSError as error:
    print(error)
def hanging():
    if os.getpid() != ME:
        time.sleep(60)
    return Figure((1, 1))

module.PATIENCE_SECONDS = 0.2
with drawing({"six": hanging}, here, beside=True) as finish:
    finish()
assert (here / "six.png").exists()
assert psutil.Process().children() == []
"""


@pytest.mark.skipif(not CAN_FORK, reason="forks on Linux only")
def test_children_draw_and_what_they_cannot_their_parent_does():
    ended = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False)
    assert ended.stdout == "nobody can draw this\nthe store is gone\n"
    assert "drawn by a child" in ended.stderr
    assert ended.returncode == 0, ended.stderr


def test_where_nothing_forks_the_process_draws_all(tmp_path):
    with drawing({"one": lambda: Figure((1, 1))}, tmp_path, beside=False) as finish:
        assert list(tmp_path.iterdir()) == []
        finish()
    assert [file.name for file in tmp_path.iterdir()] == ["one.png"]
