"""MLflow is unreachable at the start, in the middle or at the end of a search; in the end it has everything once."""

import sys
from pathlib import Path

import pytest
from mlflow import MlflowClient

import actsearch
from actsearch.cli.terminal import as_plain
from actsearch.errors import TrackingError, UsageError
from actsearch.tracking.store import StoreAddress
from actsearch.tracking.sync_process import sync
from actsearch.tuning.progress import Warnings
from tests.helpers.networks import small_network
from tests.helpers.proxy import Proxy
from tests.helpers.servers import Server, free_port
from tests.helpers.tracking import Searching, contents, in_mlflow, statuses, sync_processes, undisturbed

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("server"))
    yield server
    server.kill()


@pytest.fixture
def proxy(server):
    proxy = Proxy(server.port)
    yield proxy
    proxy.close()


@pytest.mark.parametrize(("fault", "another"), [("deaf", "hang"), ("reset", "error")])
def test_what_is_missing_is_written_afterwards(fault, another, server, proxy, store, tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    client, address = MlflowClient(server.uri), StoreAddress(proxy.uri, fault)
    search = Searching(address, search_id=fault)
    search.run(
        search.trials,
        search.seed(1),
        in_mlflow(client, fault, 5),
        lambda: proxy.set(fault),
        search.seed(2),
        search.reported,
        lambda: proxy.set(another),
        search.seed(3),
    )
    assert "problem" in search.state.mlflow
    assert [text[:14] for text in search.messages] == ["MLflow is unre", "MLflow is miss"]
    assert all("`actsearch sync found`" in text for text in search.messages)
    proxy.set("pass")
    done = sync("found", address)
    assert contents(client, fault) == undisturbed("found", store, tmp_path)
    assert set(statuses(client, fault).values()) == {"FINISHED"}
    assert client.get_run(done["run_id"]).data.tags["actsearch.level"] == "search"


def test_what_is_missing_is_written_when_the_store_is_back(server, proxy, store, tmp_path):
    client = MlflowClient(server.uri)
    search = Searching(StoreAddress(proxy.uri, "back"), search_id="back")
    proxy.set("error")
    search.run(
        search.trials,
        search.reported,
        search.seed(1),
        lambda: proxy.set("pass"),
        in_mlflow(client, "back", 5),
        search.seed(2),
    )
    assert "problem" not in search.state.mlflow
    [told] = search.messages
    assert "500" in told
    assert contents(client, "back") == undisturbed("found", store, tmp_path)


def test_a_server_that_is_killed_and_started_again(server, store, tmp_path):
    client = MlflowClient(server.uri)
    search = Searching(StoreAddress(server.uri, "killed"), search_id="killed")
    search.run(
        search.trials,
        search.seed(1),
        in_mlflow(client, "killed", 5),
        server.kill,
        search.seed(2),
        search.reported,
        server.start,
        search.seed(3),
        in_mlflow(client, "killed", 9),
    )
    assert len(search.messages) == 1
    assert contents(client, "killed") == undisturbed("found", store, tmp_path)


def test_a_search_continues_without_a_server(digits, store, local, capsys):
    x, y = digits
    nowhere = f"http://127.0.0.1:{free_port()}"
    options = {"epochs": 1, "executions": 1, "directory": "found", "tracking": actsearch.MLflow(nowhere)}
    options["verbose"] = Warnings()
    tuner = actsearch.ActivationTuner(lambda hp: small_network(hp, {"activations": ["relu", "tanh"]}), **options)
    result = tuner.search(x[:300], y[:300], validation_data=(x[300:], y[300:]))
    assert [len(t.executions) for t in result.trials] == [1, 1]
    assert result.mlflow_run_id is None
    assert "problem" in result.mlflow
    assert as_plain(result)["mlflow"]["complete"] is False
    assert "Warning: MLflow is" in capsys.readouterr().err
    with pytest.raises(TrackingError, match="Connection refused"):
        sync("found")
    assert sync("found", local)["tracking_uri"] == local.tracking_uri
    assert list(statuses(store, "local").values()) == ["FINISHED"] * 5


def test_an_experiment_that_was_deleted(store, local, tmp_path):
    gone = store.create_experiment("local")
    store.delete_experiment(gone)
    search = Searching(local)
    search.run(search.trials, search.seed(1))
    assert "was deleted in MLflow" in search.messages[-1]
    store.restore_experiment(gone)
    sync("found", local)
    assert contents(store, "local") == undisturbed("found", store, tmp_path)


def test_passwords_are_nowhere(monkeypatch):
    server = f"127.0.0.1:{free_port()}"
    uri = f"http://me:sesame@{server}"
    monkeypatch.setattr(sys, "argv", ["actsearch", "search", f"--tracking-uri={uri}"])
    seen = []

    def look():
        [process] = sync_processes()
        seen.extend([*process.cmdline(), *process.environ().values()])

    search = Searching(StoreAddress(uri, "e"))
    search.run(search.trials, search.reported, look)
    written = [path.read_text("utf-8", "replace") for path in Path("found").iterdir()]
    told = [str(search.state.mlflow), repr(StoreAddress(uri, "e")), *search.messages]
    assert "sesame" not in " ".join([*seen, *written, *told])
    assert f"http://***@{server}" in " ".join(written)
    with pytest.raises(UsageError, match="--tracking-uri"):
        sync("found")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    with pytest.raises(TrackingError, match="Connection refused") as error:
        sync("found")
    assert "sesame" not in str(error.value)
