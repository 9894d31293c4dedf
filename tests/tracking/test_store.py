"""Which store is meant, which cannot be, and what is shown of it."""

from dataclasses import asdict

import pytest

from actsearch.errors import UsageError
from actsearch.tracking.store import StoreAddress, recorded_address, store_address


def test_the_default_store_is_in_the_working_directory(tmp_path):
    address = store_address()
    assert address.tracking_uri == f"sqlite:///{tmp_path / 'mlflow.db'}"
    assert address.experiment == "actsearch"


def test_a_relative_database_becomes_absolute(tmp_path):
    assert store_address("sqlite:///here.db").database == tmp_path / "here.db"
    assert store_address("sqlite:///here.db?timeout=9").tracking_uri == f"sqlite:///{tmp_path / 'here.db'}?timeout=9"


@pytest.mark.parametrize(
    "uri",
    [
        "http://127.0.0.1:5000",
        "https://me:secret@host/mlflow",
        "databricks",
        "databricks://profile",
        "postgresql://me:secret@host/runs",
        "mysql+pymysql://host/runs",
        "mssql+pyodbc:///?odbc_connect=x",
    ],
)
def test_stores_that_may_be_there(uri):
    assert store_address(uri).tracking_uri == uri
    assert store_address(uri).database is None


@pytest.mark.parametrize(
    ("uri", "says"),
    [
        ("runs", "file store"),
        ("file:///tmp/runs", "file store"),
        ("htp://host", "Did you mean 'http'"),
        ("http://", "does not name a server"),
        ("uc:http://host", "Unknown scheme 'uc'"),
        ("sqlite:///none/mlflow.db", "none does not exist"),
        ("sqlite:///folder", "is a folder"),
        ("sqlite:///text.db", "not an SQLite database"),
        ("sqlite:///:memory:", "in memory"),
        ("sqlite://", "in memory"),
        ("redis://me:secret@host", r"'redis://\*\*\*@host'"),
    ],
)
def test_stores_that_cannot_be_meant(uri, says, tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "text.db").write_text("not a database, but a text")
    with pytest.raises(UsageError, match=says) as error:
        store_address(uri)
    assert "secret" not in str(error.value)


def test_a_database_that_this_user_cannot_write(tmp_path, monkeypatch):
    monkeypatch.setattr("os.access", lambda path, mode: False)
    with pytest.raises(UsageError, match="cannot be written"):
        store_address("sqlite:///mlflow.db")


def test_plugins_of_mlflow_are_known(monkeypatch):
    plugin = type("Plugin", (), {"name": "azureml"})
    monkeypatch.setattr("actsearch.tracking.store.entry_points", lambda group: [plugin])
    assert store_address("azureml://host").tracking_uri == "azureml://host"


def test_an_address_shows_no_password():
    address = StoreAddress("postgresql://me:secret@host/runs", "e")
    assert "secret" not in repr(address)
    assert address.recorded == {"tracking_uri": "postgresql://***@host/runs", "experiment": "e"}


def test_a_recorded_store_is_found_again(tmp_path):
    address = StoreAddress(f"sqlite:///{tmp_path / 'mlflow.db'}", "mine")
    assert recorded_address(asdict(address)) == address
    assert recorded_address(address.recorded, "http://host") == StoreAddress("http://host", "mine")
    assert recorded_address(address.recorded, experiment="other").experiment == "other"


def test_a_password_is_asked_for_or_found_in_the_environment(monkeypatch):
    recorded = StoreAddress("http://me:secret@host", "e").recorded
    with pytest.raises(UsageError, match="--tracking-uri"):
        recorded_address(recorded)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:secret@another")
    with pytest.raises(UsageError, match="--tracking-uri"):
        recorded_address(recorded)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:secret@host")
    assert recorded_address(recorded).tracking_uri == "http://me:secret@host"
