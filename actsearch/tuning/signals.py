"""Handles Ctrl-C and SIGTERM: running executions are completed, unless the signal comes again."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StopSignal:
    """Whether the user asked to stop the search.

    The first signal lets running executions complete, so that they are not lost; a second one ends them immediately.

    Args:
        say: Called with messages for the user.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self.requested = False

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Handles signals in a `with` block; changes nothing outside the main thread, the only one that gets them."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self._on_signal) for number in _SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def check(self) -> None:
        """Ends the search if the user asked to stop.

        Raises:
            KeyboardInterrupt: The user asked to stop.
        """
        if self.requested:
            raise KeyboardInterrupt

    def _on_signal(self, number: int, frame: Any) -> None:  # noqa: ARG002  Python's signature
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True
        self._say("Stopping after the current execution. Press Ctrl-C again to stop now and discard it.")
