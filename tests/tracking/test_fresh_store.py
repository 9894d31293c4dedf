"""A fresh store is a copy of one that MLflow made before."""

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from actsearch.tracking import fresh_store
from actsearch.tracking.fresh_store import opened


@pytest.fixture
def kept(tmp_path, monkeypatch, empty_store):
    """The file of the kept store; the store that MLflow made is in `first.db`."""
    path = tmp_path / "cache" / "kept.db"
    monkeypatch.setattr(fresh_store, "kept_store", lambda: path)
    (tmp_path / "first.db").write_bytes(empty_store)
    fresh_store._keep(tmp_path / "first.db", path)
    return path


def test_a_copy_is_a_whole_store_with_artifacts_of_its_own(kept, tmp_path, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    client = opened(f"sqlite:///{tmp_path / 'new.db'}", tmp_path / "new.db")
    [default] = client.search_experiments()
    assert (default.name, default.experiment_id) == ("Default", "0")
    assert "elsewhere" in default.artifact_location
    run = client.create_run("0")
    client.log_metric(run.info.run_id, "score", 0.5)
    assert client.get_run(run.info.run_id).data.metrics == {"score": 0.5}


def test_a_store_that_exists_is_left_as_it_is(kept, store, tmp_path):
    store.create_experiment("mine")
    client = opened(f"sqlite:///{tmp_path / 'mlflow.db'}", tmp_path / "mlflow.db")
    assert client.get_experiment_by_name("mine") is not None


def test_a_kept_store_that_mlflow_refuses_is_made_anew(kept, tmp_path, monkeypatch):
    failing = [MlflowException("Detected out-of-date database schema")]

    def client(tracking_uri):
        if failing:
            raise failing.pop()
        (tmp_path / "new.db").write_bytes((tmp_path / "first.db").read_bytes())
        return MlflowClient(tracking_uri)

    monkeypatch.setattr(fresh_store, "_client", client)
    opened(f"sqlite:///{tmp_path / 'new.db'}", tmp_path / "new.db")
    assert kept.exists()
    assert not failing


def test_where_nothing_can_be_kept_a_store_is_opened_all_the_same(tmp_path, monkeypatch, store):
    (tmp_path / "file").touch()
    monkeypatch.setattr(fresh_store, "kept_store", lambda: tmp_path / "file" / "kept.db")
    monkeypatch.setattr(fresh_store, "_client", lambda uri: store)
    assert opened(f"sqlite:///{tmp_path / 'new.db'}", tmp_path / "new.db") is store
