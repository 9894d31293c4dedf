"""MLflow goes away at the start, in the middle or at the end of a search; in the end it has everything once."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from mlflow import MlflowClient
from outage import Proxy, contents, execution, search_record, statuses, trial
from servers import Server, free_port
from support import small_network

import actsearch
from actsearch.errors import TrackingError, UsageError
from actsearch.ledger import Ledger
from actsearch.search.environment import describe_environment
from actsearch.search.progress import Silent
from actsearch.search.recording import Recording
from actsearch.tracking.mlflow import Drawing
from actsearch.tracking.opening import open_store
from actsearch.tracking.store import StoreAddress
from actsearch.tracking.sync import sync

pytestmark = pytest.mark.slow
KEYS = {("search", None, None), ("trial", "0", None), ("trial", "1", None)}


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


@pytest.fixture
def local(store, tmp_path):
    return StoreAddress(f"sqlite:///{tmp_path / 'mlflow.db'}", "local")


class Searching:
    """A search without training: writes its ledger step by step."""

    def __init__(self, address, directory="found", search_id="s1") -> None:
        self.directory, self.messages = Path(directory), []
        self.recording = Recording(self.directory, address, message=self.messages.append)
        self._search = replace(search_record(search_id), environment=describe_environment())

    def run(self, *steps) -> None:
        with self.recording.of(self._search) as self.ledger:
            for step in steps:
                step()

    def trials(self) -> None:
        for number in (0, 1):
            self.ledger.append_trial(trial(number))

    def seed(self, which):
        def write():
            for number in (0, 1):
                self.ledger.append_execution(execution(number, which))

        return write

    def told(self) -> None:
        wait_until(lambda: self.messages)


def wait_until(condition, seconds=60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def followers() -> list[psutil.Process]:
    return [child for child in psutil.Process().children() if "actsearch.tracking.follow" in child.cmdline()]


def drawn(client, experiment, count):
    """Waits until that many runs are in MLflow."""

    def there():
        found = client.get_experiment_by_name(experiment)
        return found is not None and len(client.search_runs([found.experiment_id])) >= count

    return lambda: wait_until(there)


def undisturbed(directory, store, tmp_path) -> dict:
    """What a store has where the ledger is drawn at once, by this process."""
    client, experiment_id = open_store(StoreAddress(f"sqlite:///{tmp_path / 'mlflow.db'}", "undisturbed"))
    ledger = Ledger(directory)
    drawing = Drawing(client, experiment_id, ledger)
    drawing.draw(ledger.facts())
    drawing.close()
    return contents(store, "undisturbed")


@pytest.mark.parametrize(("fault", "another"), [("deaf", "hang"), ("reset", "error")])
def test_what_is_missing_is_drawn_afterwards(fault, another, server, proxy, store, tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    client, address = MlflowClient(server.uri), StoreAddress(proxy.uri, fault)
    search = Searching(address, search_id=fault)
    search.run(
        search.trials,
        search.seed(1),
        drawn(client, fault, 5),
        lambda: proxy.set(fault),
        search.seed(2),
        search.told,
        lambda: proxy.set(another),
        search.seed(3),
    )
    assert "problem" in search.recording.mlflow
    assert [text[:14] for text in search.messages] == ["MLflow is away", "MLflow has not"]
    assert all("`actsearch sync found`" in text for text in search.messages)
    proxy.set("pass")
    done = sync("found", address)
    assert contents(client, fault) == undisturbed("found", store, tmp_path)
    assert set(statuses(client, fault).values()) == {"FINISHED"}
    assert client.get_run(done["run_id"]).data.tags["actsearch.level"] == "search"


def test_what_is_missing_is_drawn_when_the_store_is_back(server, proxy, store, tmp_path):
    client = MlflowClient(server.uri)
    search = Searching(StoreAddress(proxy.uri, "back"), search_id="back")
    proxy.set("error")
    search.run(
        search.trials, search.told, search.seed(1), lambda: proxy.set("pass"), drawn(client, "back", 5), search.seed(2)
    )
    assert "problem" not in search.recording.mlflow
    [told] = search.messages
    assert "500" in told
    assert contents(client, "back") == undisturbed("found", store, tmp_path)


def test_a_server_that_is_killed_and_started_again(server, store, tmp_path):
    client = MlflowClient(server.uri)
    search = Searching(StoreAddress(server.uri, "killed"), search_id="killed")
    search.run(
        search.trials,
        search.seed(1),
        drawn(client, "killed", 5),
        server.kill,
        search.seed(2),
        search.told,
        server.start,
        search.seed(3),
        drawn(client, "killed", 9),
    )
    assert len(search.messages) == 1
    assert contents(client, "killed") == undisturbed("found", store, tmp_path)


def test_a_search_goes_on_without_a_server(digits, store, local):
    x, y = digits
    nowhere = f"http://127.0.0.1:{free_port()}"
    options = {"epochs": 1, "executions": 1, "directory": "found", "reporter": Silent(), "tracking_uri": nowhere}
    tuner = actsearch.ActivationTuner(lambda hp: small_network(hp, {"activations": ["relu", "tanh"]}), **options)
    result = tuner.search(x[:300], y[:300], validation_data=(x[300:], y[300:]))
    assert [len(t.executions) for t in result.trials] == [1, 1]
    assert result.mlflow_run_id is None
    assert "problem" in result.mlflow
    with pytest.raises(TrackingError, match="Connection refused"):
        sync("found")
    assert sync("found", local)["tracking_uri"] == local.tracking_uri
    assert list(statuses(store, "local").values()) == ["FINISHED"] * 5


KILLED = """
import os, signal, time
from pathlib import Path
from outage import execution, search_record, trial
from actsearch.search.recording import Recording
from actsearch.tracking.store import StoreAddress
with Recording(Path("found"), StoreAddress({uri!r}, "local")).of(search_record()) as ledger:
    for number in (0, 1):
        ledger.append_trial(trial(number))
    ledger.append_execution(execution(0, 1))
    {then}
    os.kill(os.getpid(), signal.SIGKILL)
"""


KILL_ITS_FOLLOWER = """
    import psutil, sqlite3
    while sqlite3.connect("mlflow.db").execute("SELECT count(*) FROM runs").fetchone()[0] < 4:
        time.sleep(0.05)
    psutil.Process().children()[0].kill()
"""


def killed_search(local, then="pass") -> None:
    code = KILLED.format(uri=local.tracking_uri, then=then)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    ended = subprocess.run([sys.executable, "-c", code], check=False, env=environment)
    assert ended.returncode == -signal.SIGKILL


def test_a_killed_search_is_closed_and_goes_on_later(store, tmp_path, local):
    killed_search(local)
    sync("found")  # its follower may be at it still
    expected = dict.fromkeys(KEYS, "KILLED") | {("execution", "0", "1"): "FINISHED"}
    assert statuses(store, "local") == expected
    search = Searching(local)
    search.run(lambda: search.ledger.append_execution(execution(1, 1)), search.seed(2))
    assert set(statuses(store, "local").values()) == {"FINISHED"}
    assert contents(store, "local") == undisturbed("found", store, tmp_path)


def test_a_search_that_was_killed_with_its_follower(store, tmp_path, local):
    killed_search(local, KILL_ITS_FOLLOWER)
    assert statuses(store, "local")["search", None, None] == "RUNNING"
    sync("found", running=True)
    assert {statuses(store, "local")[key] for key in KEYS} == {"RUNNING"}
    sync("found")
    once = contents(store, "local")
    assert {once[key][0][0] for key in KEYS} == {"KILLED"}
    sync("found")
    assert contents(store, "local") == once == undisturbed("found", store, tmp_path)


def test_a_search_that_was_interrupted_and_goes_on(store, tmp_path, local):
    def interrupt():
        raise KeyboardInterrupt

    search = Searching(local)
    with pytest.raises(KeyboardInterrupt):
        search.run(search.trials, search.seed(1), interrupt)
    assert {statuses(store, "local")[key] for key in KEYS} == {"KILLED"}
    search = Searching(local)
    search.run(search.seed(2))
    assert set(statuses(store, "local").values()) == {"FINISHED"}
    assert contents(store, "local") == undisturbed("found", store, tmp_path)


def test_no_two_processes_draw_a_search(store, local):
    def refused():
        with pytest.raises(TrackingError, match="another process draws"):
            sync("found", running=True)

    search = Searching(local)
    search.run(search.trials, drawn(store, "local", 3), refused)
    assert search.messages == []


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
        [process] = followers()
        seen.extend([*process.cmdline(), *process.environ().values()])

    search = Searching(StoreAddress(uri, "e"))
    search.run(search.trials, search.told, look)
    written = [path.read_text("utf-8", "replace") for path in Path("found").iterdir()]
    told = [str(search.recording.mlflow), repr(StoreAddress(uri, "e")), *search.messages]
    assert "sesame" not in " ".join([*seen, *written, *told])
    assert f"http://***@{server}" in " ".join(written)
    with pytest.raises(UsageError, match="--tracking-uri"):
        sync("found")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    with pytest.raises(TrackingError, match="Connection refused") as error:
        sync("found")
    assert "sesame" not in str(error.value)


def test_a_follower_that_is_killed_is_told(local, store):
    search = Searching(local)
    search.run(search.trials, lambda: followers()[0].kill(), search.told)
    assert "ended with status -9" in search.messages[0]
    sync("found")
    assert {statuses(store, "local")[key] for key in KEYS} == {"FINISHED"}
