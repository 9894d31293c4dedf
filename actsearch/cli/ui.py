"""`actsearch ui`: opens the MLflow UI for a search's store, on this machine only."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from actsearch.cli.terminal import open_in_browser
from actsearch.errors import TrackingError

if TYPE_CHECKING:
    from actsearch.tracking.store import StoreAddress

HOST = "127.0.0.1"
GET_EXPERIMENT = "/api/2.0/mlflow/experiments/get-by-name"
START_SECONDS = 90


def ui(
    directory: Annotated[
        Path | None, typer.Argument(help="Directory of a search.", show_default="the store of this folder")
    ] = None,
    tracking_uri: Annotated[
        str | None, typer.Option(help="Address of another MLflow store.", show_default="the search's own")
    ] = None,
    port: Annotated[
        int | None, typer.Option(help="Port that the server listens on.", show_default="a free one")
    ] = None,
) -> None:
    """Open the MLflow UI for a search."""
    raise typer.Exit(_serve(directory, tracking_uri, port))


def _serve(directory: Path | None, tracking_uri: str | None, port: int | None) -> int:
    """Serves the UI until Ctrl-C; returns the exit status."""
    address = _address(directory, tracking_uri)
    if address.tracking_uri.startswith("http"):
        print(f"The runs are on a server: {address.shown}, experiment {address.experiment}")
        return 0
    port = port or _free_port()
    server = _start(address, port)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    try:
        _wait_until_up(server, port)
        url = f"http://{HOST}:{port}" + (_view(directory, address, port) if directory else "")
        print(f"MLflow UI: {url}  (experiment {address.experiment}; Ctrl-C stops it)", flush=True)
        if sys.stdout.isatty():
            open_in_browser(url)
        server.wait()
        return 1
    except KeyboardInterrupt:
        return 0
    finally:
        _stop(server)


def _address(directory: Path | None, tracking_uri: str | None) -> "StoreAddress":
    from actsearch.tracking.store import recorded_address, store_address

    if directory is None or tracking_uri is not None:
        return store_address(tracking_uri)
    from actsearch.ledger import Ledger

    return recorded_address(Ledger(directory).read().environment)


def _view(directory: Path, address: "StoreAddress", port: int) -> str:
    """Returns the relative link to the page arranged for a search; empty if the store lacks the experiment."""
    from actsearch.ledger import Ledger
    from actsearch.tracking.ui_view import key_of, view_path

    question = urllib.parse.urlencode({"experiment_name": address.experiment})
    try:
        with urllib.request.urlopen(f"http://{HOST}:{port}{GET_EXPERIMENT}?{question}", timeout=10) as answer:
            experiment = json.load(answer)["experiment"]["experiment_id"]
    except OSError:  # includes HTTPError, if the experiment does not exist
        return ""
    return view_path(experiment, key_of(Ledger(directory).read()))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def _start(address: "StoreAddress", port: int) -> subprocess.Popen[bytes]:
    if address.database is not None and not address.database.exists():
        raise TrackingError(
            f"{address.database}: no MLflow store here yet. Run a search first, or give the directory of a search."
        )
    options = ["--host", HOST, "--port", str(port), "--workers", "1"]
    environment = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    store = {"MLFLOW_BACKEND_STORE_URI": address.tracking_uri}  # not an option: other users can see those
    return subprocess.Popen(
        [sys.executable, "-m", "mlflow", "server", *options],
        env=environment | dict(os.environ) | store,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def _wait_until_up(server: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if server.poll() is not None:
            raise TrackingError(f"The MLflow server ended with status {server.returncode}; is port {port} in use?")
        try:
            with urllib.request.urlopen(f"http://{HOST}:{port}/health", timeout=2):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    raise TrackingError(f"The MLflow server did not answer on port {port} within {START_SECONDS} s.")


def _stop(server: subprocess.Popen[bytes]) -> None:
    if server.poll() is not None:
        return
    os.killpg(server.pid, signal.SIGTERM)
    try:
        server.wait(timeout=10)
    except subprocess.TimeoutExpired:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()
