"""A process that follows a ledger and draws it into MLflow while the search trains.

Started by `Follower`, which writes one line of JSON to its standard input: what to draw, and where. It answers in
lines of JSON on its standard output: `loaded` with MLflow, `ready` when the store is open, `drawn` for all that MLflow
took, `away` and `back` as the store goes and comes, and at the end `whole` or `failed`.
"""

import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from select import select
from typing import TYPE_CHECKING, Any, TextIO

from actsearch._locks import PATIENCE_SECONDS, drawing_alone
from actsearch._redact import mask, masked
from actsearch._startup import exempt_imports, resting
from actsearch.ledger import Ledger
from actsearch.tracking.store import StoreAddress

if TYPE_CHECKING:
    from actsearch.tracking.writer import Drawing

POLL_SECONDS = 0.1  # a look at the ledger takes 0.2 ms
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.5, 30.0
LAST_TRIES = 4  # after the end of the search
NICENESS = 5  # training goes first; more starves it where other programs use every core
_LONGEST_REASON = 250  # characters
MLFLOW_SETTINGS = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",  # trying again is done here: MLflow would make runs twice
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",  # seconds
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}


def main() -> None:
    """Follows one ledger until its search is over and everything is drawn."""
    for number in (signal.SIGINT, signal.SIGHUP):  # Ctrl-C is for the search; what it wrote is still to be drawn
        signal.signal(number, signal.SIG_IGN)
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    sys.stdout = sys.stderr = masked(sys.stderr)
    for name, value in MLFLOW_SETTINGS.items():
        os.environ.setdefault(name, value)
    os.nice(NICENESS)
    say = partial(_answer, answers)
    try:
        with resting():
            import mlflow

            import actsearch.tracking.writer  # noqa: F401  takes seconds, and heeds the settings

        order = read_order()
        if order is None:
            return
        search = Search(order)
        with drawing_alone(search.directory, search.waits_for_another):
            mlflow.set_tracking_uri(search.address.tracking_uri)  # MLflow asks it where models are registered
            say("loaded")
            Following(search, say).run()
    except Exception as error:  # noqa: BLE001  whatever is raised, the search is told
        say("failed", reason=explain(error))


def read_order() -> dict[str, Any] | None:
    """What to draw, and where; None where the program ends without one. From here on the log has all output."""
    with open(0, "rb", buffering=0, closefd=False) as order:  # reads no byte too many
        line = order.readline()
    if not line:
        return None
    given: dict[str, Any] = json.loads(line)
    with (Path(given["directory"]) / given["log"]).open("ab") as log:
        for number in (1, 2):
            os.dup2(log.fileno(), number)
    return given


class Search:
    """The search whose ledger is followed, as far as its process says how it stands.

    It `goes_on` where only what there is now is to be drawn of a search that another process runs.
    """

    def __init__(self, order: Mapping[str, Any]) -> None:
        self._process = os.getppid()
        self.directory = Path(order["directory"])
        self.address = StoreAddress(order["tracking_uri"], order["experiment"])
        self.goes_on = bool(order["goes_on"])
        self._over_at: float | None = None

    @property
    def is_over(self) -> bool:
        """Whether its process said so, or is gone."""
        return self._over_at is not None

    @property
    def seconds_over(self) -> float:
        """Seconds since it was over; 0 before."""
        return 0.0 if self._over_at is None else time.monotonic() - self._over_at

    def wait(self, seconds: float) -> None:
        """Waits, but not past the end of the search."""
        if self.is_over:
            time.sleep(seconds)
            return
        said, _, _ = select([0], [], [], seconds)
        if said or os.getppid() != self._process:
            self._over_at = time.monotonic()

    def waits_for_another(self) -> bool:
        """Waits a little while another process draws this search; False where that is of no use."""
        self.wait(0.2)
        return not self.is_over or (not self.goes_on and self.seconds_over < PATIENCE_SECONDS)


class Following:
    """Draws what the ledger says, and begins anew where the store fails: what is drawn already is left alone.

    Args:
        search: What is followed.
        say: Takes an event and its values.
    """

    def __init__(self, search: Search, say: Callable[..., None]) -> None:
        self._search, self._say = search, say
        self._drawing: Drawing | None = None
        self._last = self._failures = self._num_last_tries = 0
        self._is_away = False

    def run(self) -> None:
        """Returns when the search is over and drawn.

        Raises:
            Exception: Whatever the store still raises after the end.
        """
        pause = 0.0
        while True:
            self._search.wait(pause)
            over = self._search.is_over  # asked before reading: what a dying search wrote last is read still
            try:
                drawing = self._draw(over)
            except Exception as error:
                self._num_last_tries += over
                if self._num_last_tries == LAST_TRIES:
                    raise
                pause = self._failed(error, over)
                continue
            if self._is_away:
                self._say("back")
            if over:
                self._say("whole", **drawing.run_ids)
                return
            self._failures, self._is_away, pause = 0, False, POLL_SECONDS

    def _draw(self, over: bool) -> "Drawing":
        ledger = Ledger(self._search.directory)
        if self._drawing is None:
            self._drawing, self._last = self._open(ledger), 0
        facts = ledger.facts(after=self._last)
        self._drawing.draw(facts)
        self._last += len(facts)
        if over and not self._search.goes_on:
            self._drawing.close()
        return self._drawing

    def _open(self, ledger: Ledger) -> "Drawing":
        from actsearch.tracking.client import open_store
        from actsearch.tracking.writer import Drawing

        with resting():  # MLflow imports what makes a store
            client, experiment_id = open_store(self._search.address)
        exempt_imports()  # else MLflow is gone through at the end, when somebody waits: 0.4 s
        self._say("ready", experiment_id=experiment_id)
        return Drawing(client, experiment_id, ledger, lambda: self._say("drawn"))

    def _failed(self, error: Exception, over: bool) -> float:
        """Seconds to wait before the next try; a single failure in the midst of drawing is not told yet."""
        told = over or self._drawing is None or self._failures > 0
        self._failures += 1
        self._drawing = None
        if told and not self._is_away:
            self._is_away = True
            traceback.print_exception(error)
            self._say("away", reason=explain(error))
        longest = FIRST_PAUSE_SECONDS if over else LONGEST_PAUSE_SECONDS
        return min(FIRST_PAUSE_SECONDS * 2.0 ** min(self._failures - 1, 9), longest)


def explain(error: BaseException) -> str:
    """An error in one line, without credentials: where the system failed, what it said; else what MLflow says."""
    root = error
    while inner := root.__cause__ or root.__context__:
        root = inner
    told = root if isinstance(root, OSError) else error
    text = mask(" ".join(f"{type(told).__name__}: {told}".split()))
    return text if len(text) <= _LONGEST_REASON else f"{text[:120]} ... {text[-120:]}"


def _answer(stream: TextIO, event: str, **values: Any) -> None:
    with suppress(BrokenPipeError):  # nobody listens any more: the search's process is gone
        print(json.dumps({"event": event, **values}), file=stream, flush=True)


if __name__ == "__main__":
    main()
