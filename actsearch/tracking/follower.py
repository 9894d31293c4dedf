"""The search's side of the process that draws its ledger into MLflow."""

import json
import queue
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from actsearch.errors import UsageError
from actsearch.tracking.store import StoreAddress

LOG_NAME = "tracking.log"


class Follower:
    """Starts the process that follows a ledger, and hears its answers.

    Training never waits for MLflow: the process has MLflow to itself, and its output goes to `tracking.log`.

    Args:
        directory: The search's directory, with its ledger.
        address: The store and experiment to draw into.
    """

    def __init__(self, directory: Path, address: StoreAddress) -> None:
        self._log = directory / LOG_NAME
        command = [sys.executable, "-m", "actsearch.tracking.follow", str(directory.absolute())]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [*command, address.tracking_uri, address.experiment],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,
            )
        self._answers: queue.Queue[dict[str, Any]] = queue.Queue()
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def ready(self, timeout: float = 60.0) -> dict[str, Any]:
        """Waits until the store is open: `tracking_uri` and `experiment_id`.

        Raises:
            UsageError: MLflow does not open this store.
        """
        answer = self._next(timeout)
        if answer["event"] != "ready":
            self._process.kill()
            raise UsageError(
                f"MLflow cannot open the tracking store: {answer['reason']}. Give one that it can: "
                "--tracking-uri sqlite:///mlflow.db, or the address of a server that is up."
            )
        return {name: answer[name] for name in ("tracking_uri", "experiment_id")}

    def finish(self, timeout: float = 60.0) -> dict[str, Any]:
        """Waits until everything is drawn: `run_id` and `trial_run_ids`, or `problem` where it could not be."""
        answer = self._next(timeout)
        if answer["event"] != "drawn":
            self._process.kill()
        self._listener.join(timeout=10)
        if answer["event"] != "drawn":
            return {"problem": answer["reason"]}
        return {name: answer[name] for name in ("run_id", "trial_run_ids")}

    def _next(self, timeout: float) -> dict[str, Any]:
        """The next answer; the time runs anew with each sign of progress."""
        while True:
            try:
                answer = self._answers.get(timeout=timeout)
            except queue.Empty:
                return {"event": "silent", "reason": f"no answer within {timeout:g} s (see {self._log})"}
            if answer["event"] != "progress":
                return answer

    def _listen(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as answers:
            for line in answers:
                self._answers.put(json.loads(line))
        code = self._process.wait()
        self._answers.put({"event": "ended", "reason": f"its process ended with status {code} (see {self._log})"})
