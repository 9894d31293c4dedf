"""What tests share: quiet TensorFlow, small data, small models."""

import shutil
import subprocess
import sys

from actsearch.quiet import load_tensorflow

load_tensorflow()

import keras  # noqa: E402
import numpy as np  # noqa: E402
import pytest  # noqa: E402
from sklearn.datasets import load_digits  # noqa: E402

import actsearch  # noqa: E402


@pytest.fixture(autouse=True)
def _own_folder(tmp_path, monkeypatch):
    """No test writes into the store or the working directory of another."""
    monkeypatch.chdir(tmp_path)
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory):
    """A fresh MLflow database; making one takes seconds, copying it none."""
    path = tmp_path_factory.mktemp("store") / "mlflow.db"
    code = f"from mlflow import MlflowClient; MlflowClient('sqlite:///{path}').search_experiments()"
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    return path


@pytest.fixture
def store(tmp_path, empty_store):
    """A client of the store that a search in the working directory writes."""
    from mlflow import MlflowClient

    shutil.copy(empty_store, tmp_path / "mlflow.db")
    return MlflowClient(f"sqlite:///{tmp_path / 'mlflow.db'}")


def runs_of(store, level=None) -> list:
    """All runs that were drawn, or those of a level: search, trial, execution."""
    experiments = [e.experiment_id for e in store.search_experiments()]
    runs = store.search_runs(experiments, max_results=5000)
    return [r for r in runs if level is None or r.data.tags["actsearch.level"] == level]


@pytest.fixture(scope="session")
def digits():
    """`x` (float32, 0 to 1) and `y` (int32) of 600 handwritten digits."""
    x, y = load_digits(return_X_y=True)
    return (x[:600] / 16).astype("float32"), y[:600].astype("int32")


def small_network(hp, space="relu_variants"):
    """A build function as a user would write it."""
    activation = actsearch.choose(hp, space)
    model = keras.Sequential(
        [
            keras.Input((64,)),
            keras.layers.Dense(16, kernel_initializer=activation.initializer()),
            activation.layer(),
            activation.dropout(0.1),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


@pytest.fixture
def network():
    """The build function of a small classifier of digits."""
    return small_network


def weights_of(model) -> list[np.ndarray]:
    """Copies of all weights."""
    return [np.array(w) for w in model.get_weights()]
