"""What tests share: quiet TensorFlow, small data, small models."""

import gc
import importlib.util
import shutil
import subprocess
import sys

from actsearch._startup import load_tensorflow

load_tensorflow()

import pytest  # noqa: E402
from sklearn.datasets import load_digits  # noqa: E402

from actsearch.activations import registry  # noqa: E402
from actsearch.tracking.sync_process import end_kept  # noqa: E402

# Tests in a browser need Chromium, ChromeDriver and Selenium; CONTRIBUTING.md says how to get them.
_HAS_BROWSER = shutil.which("chromium") and shutil.which("chromedriver") and importlib.util.find_spec("selenium")
collect_ignore = [] if _HAS_BROWSER else ["browser"]


@pytest.fixture(autouse=True)
def _own_folder(tmp_path, monkeypatch):
    """No test writes into the store or the working directory of another."""
    monkeypatch.chdir(tmp_path)
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(autouse=True)
def _own_sync_process():
    """No test finds the process that another one's search has left for the next."""
    yield
    end_kept()


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory):
    """The bytes of a fresh MLflow database; making one takes seconds, copying it none."""
    path = tmp_path_factory.mktemp("store") / "mlflow.db"
    code = f"from mlflow import MlflowClient; MlflowClient('sqlite:///{path}').search_experiments()"
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    return path.read_bytes()


@pytest.fixture
def store(tmp_path, empty_store):
    """A client of the store that a search in the working directory writes."""
    from mlflow import MlflowClient

    (tmp_path / "mlflow.db").write_bytes(empty_store)
    return MlflowClient(f"sqlite:///{tmp_path / 'mlflow.db'}")


SILENT_SYNC = """
import json, sys
sys.stdin.readline()
for answer in ({"event": "loaded"}, {"event": "ready", "experiment_id": "0"}):
    print(json.dumps(answer), flush=True)
sys.stdin.readline()
print(json.dumps({"event": "whole", "run_id": "0", "trial_run_ids": {}}), flush=True)
"""


@pytest.fixture
def without_mlflow(monkeypatch):
    """Searches write their ledger alone: a test that does not look at MLflow need not wait seconds for it to load."""

    def start():
        command = [sys.executable, "-I", "-S", "-c", SILENT_SYNC]
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, process_group=0)

    monkeypatch.setattr("actsearch.tracking.sync_process._start", start)
    monkeypatch.setattr("actsearch.tracking.sync_process.KEPT_SECONDS", 0.0)


@pytest.fixture(scope="session")
def digits():
    """`x` (float32, 0 to 1) and `y` (int32) of 600 handwritten digits."""
    x, y = load_digits(return_X_y=True)
    return (x[:600] / 16).astype("float32"), y[:600].astype("int32")


@pytest.fixture
def program(monkeypatch, capsys):
    """Runs the command line in this process: exit status, standard output, standard error."""
    from actsearch.cli import main

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["actsearch", *map(str, arguments)])
        status = 0
        try:
            main()
        except SystemExit as exit_:
            status = exit_.code or 0
        finally:
            gc.unfreeze()  # the program takes this process for its own
        out, err = capsys.readouterr()
        return status, out, err

    return run


@pytest.fixture
def own_keras_register():
    """What a test registers with Keras is gone after it: its module may be, and workers would look for it."""
    import keras

    known = keras.saving.get_custom_objects()
    before = dict(known)
    yield
    known.clear()
    known.update(before)


@pytest.fixture
def fresh_register(monkeypatch, own_keras_register):
    """The register of activations as a new process finds it: nothing loaded yet."""
    monkeypatch.setattr(registry, "_entries", {})
    monkeypatch.setattr(registry, "_pending", [registry._add_catalogue, registry._add_plugins])


@pytest.fixture
def own_register(monkeypatch, own_keras_register):
    """The loaded register of activations; what a test adds is gone after it."""
    registry.names()
    monkeypatch.setattr(registry, "_entries", dict(registry._entries))
