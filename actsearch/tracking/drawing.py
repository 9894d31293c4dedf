"""Draws the pictures of a search in processes of their own, while this one writes to the store.

They are half of what is left when a search is over, and the user waits for it.
"""

import math
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from matplotlib.backends.backend_agg import FigureCanvasAgg

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Makers = Mapping[str, Callable[[], "Figure"]]
NUM_PROCESSES = 2
PATIENCE_SECONDS = 30.0
_MAX_FILES = 4096
CAN_FORK = sys.platform == "linux"  # elsewhere, a child of `fork` may not use the system's libraries


def save_png(figure: "Figure", file: Path) -> None:
    """Saves a figure; `savefig` would compute its layout twice and take twice as long."""
    FigureCanvasAgg(figure).print_png(file)


@contextmanager
def drawing(makers: Makers, folder: Path, *, beside: bool) -> Iterator[Callable[[], None]]:
    """Draws figures in other processes during a `with` block.

    They are children by `fork`, since importing Matplotlib and loading fonts again would take longer than the drawing.

    Args:
        makers: Functions that make the figures, by name.
        folder: Existing folder for the files, `NAME.png`.
        beside: Whether this process may fork: it has no threads that may hold a lock now.

    Yields:
        A function that waits until all are there. What no other process has drawn, this one draws, so that an error is
        raised here.
    """
    names = list(makers)
    shares = [names[start::NUM_PROCESSES] for start in range(NUM_PROCESSES)] if beside and CAN_FORK else []
    running = []
    for share in filter(None, shares):
        with suppress(OSError):  # no process can be had, so this one draws
            running.append(_forked({name: makers[name] for name in share}, folder))

    def finish() -> None:
        until = time.monotonic() + PATIENCE_SECONDS
        while running:
            _wait(running.pop(), until)
        draw({name: make for name, make in makers.items() if not _file(folder, name).exists()}, folder)

    try:
        yield finish
    finally:
        for pid in running:  # the block failed
            _end(pid)


def _wait(pid: int, until: float) -> None:
    """Waits for a process until a time, and then ends it: a fork may wait for ever for a lock of another library."""
    with suppress(ChildProcessError):  # the system took note of its end, where children are ignored
        while not os.waitpid(pid, os.WNOHANG)[0]:
            if time.monotonic() > until:
                _end(pid)
                return
            time.sleep(0.005)


def _end(pid: int) -> None:
    with suppress(ProcessLookupError, ChildProcessError):
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def draw(makers: Makers, folder: Path) -> None:
    """Draws figures in this process; a file that is there is complete."""
    for name, make in makers.items():
        unfinished = folder / f".{name}.unfinished"
        save_png(make(), unfinished)
        unfinished.replace(_file(folder, name))


def _file(folder: Path, name: str) -> Path:
    return folder / f"{name}.png"


def _forked(makers: Makers, folder: Path) -> int:
    """Starts a process that draws, and returns its id; it ends without what a Python process does at its end."""
    pid = os.fork()
    if pid:
        return pid
    try:
        signal.alarm(math.ceil(PATIENCE_SECONDS))  # if its parent is killed, nobody else ends it
        os.closerange(3, _MAX_FILES)  # who waits for the end of the parent's output must not wait for this process
        draw(makers, folder)
    except BaseException:  # noqa: BLE001  the other process draws again, and raises it
        traceback.print_exc()
    finally:
        os._exit(0)
