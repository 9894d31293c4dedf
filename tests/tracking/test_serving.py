"""Models in stores that are not the working directory's: behind a real server, and in a database elsewhere."""

import json
import subprocess
import sys

import numpy as np
import pytest
from mlflow import MlflowClient

import actsearch
from tests.helpers.networks import small_network
from tests.helpers.servers import Server

LOADED = """
import json, sys
import mlflow, numpy as np
store, name, rows = sys.argv[1:]
mlflow.set_tracking_uri(store)
x = np.load(rows)
whole = mlflow.pyfunc.load_model(f"models:/{name}/1").predict(x)
import actsearch.layers
import mlflow.keras
keras = mlflow.keras.load_model(f"models:/{name}/1").predict(x, verbose=0)
print(json.dumps([np.asarray(whole).tolist(), keras.tolist()]))
"""


@pytest.fixture(params=["server", "database elsewhere"])
def store_uri(request, tmp_path, empty_store):
    if request.param == "server":
        server = Server(tmp_path)
        yield server.uri
        server.kill()
    else:
        folder = tmp_path / "elsewhere"
        folder.mkdir()
        (folder / "mlflow.db").write_bytes(empty_store)
        yield f"sqlite:///{folder / 'mlflow.db'}"


@pytest.mark.slow
def test_the_best_model_is_registered_and_comes_back(store_uri, digits, tmp_path):
    x, y = digits
    tuner = actsearch.ActivationTuner(
        small_network, epochs=2, executions=2, directory="found", tracking=actsearch.MLflow(store_uri, log_models="all", register="the best"),
        verbose=0,
    )  # fmt: skip
    result = tuner.search(x[:300], y[:300], validation_data=(x[300:450], y[300:450]))
    assert "problem" not in result.mlflow
    client = MlflowClient(store_uri, registry_uri=store_uri)
    [version] = client.search_model_versions("name = 'the best'")
    assert version.run_id == result.mlflow["trial_run_ids"][result.best.trial_id]
    runs = [client.get_run(run) for run in result.mlflow["trial_run_ids"].values()]
    assert all("actsearch.model_id" in run.data.tags for run in runs)
    assert not any("actsearch.model_problem" in run.data.tags for run in runs)
    np.save(tmp_path / "rows.npy", x[450:500])
    command = [sys.executable, "-c", LOADED, store_uri, "the best", str(tmp_path / "rows.npy")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    expected = result.best_model().predict(x[450:500], verbose=0)
    for found in json.loads(done.stdout.splitlines()[-1]):
        np.testing.assert_allclose(found, expected, atol=1e-6)
