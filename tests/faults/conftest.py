import pytest

from actsearch.tracking.store import StoreAddress


@pytest.fixture
def local(store, tmp_path):
    """The store's database, and an experiment that is not there yet."""
    return StoreAddress(f"sqlite:///{tmp_path / 'mlflow.db'}", "local")
