"""Real MLflow servers for tests."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

HOST = "127.0.0.1"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return probe.getsockname()[1]


class Server:
    """A real MLflow server on an SQLite file, which can be killed and started again."""

    def __init__(self, folder) -> None:
        self.port = free_port()
        self.uri = f"http://{HOST}:{self.port}"
        self._folder = folder
        self.start()

    def start(self) -> None:
        where = ["--backend-store-uri", f"sqlite:///{self._folder}/mlflow.db", "--workers", "1"]
        where += ["--artifacts-destination", str(self._folder / "artifacts"), "--host", HOST, "--port", str(self.port)]
        quiet = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "mlflow", "server", *where],
            env={**os.environ, **quiet},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        while not self._answers():
            assert self._process.poll() is None, "the server ended"
            time.sleep(0.1)

    def kill(self) -> None:
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.uri}/health", timeout=2):
                return True
        except (urllib.error.URLError, OSError):
            return False
