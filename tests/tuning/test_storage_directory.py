"""The directory of a search that is to be deleted while another process still writes it to MLflow."""

import threading
import time

import pytest

from actsearch._locks import writing_lock
from actsearch.errors import UsageError
from actsearch.ledger import FILE_NAME, Ledger
from actsearch.tuning.storage import prepare_directory


@pytest.fixture
def written(tmp_path):
    """The directory of a search."""
    Ledger(tmp_path / "search", create=True)
    return tmp_path / "search"


def test_deleting_waits_for_who_writes(written):
    writing = threading.Event()
    there_at_the_end = []

    def write():
        with writing_lock(written, lambda: False):
            writing.set()
            time.sleep(0.5)
            there_at_the_end.append((written / FILE_NAME).exists())

    writer = threading.Thread(target=write)
    writer.start()
    writing.wait()
    prepare_directory(written, "mine", overwrite=True)
    writer.join()
    assert there_at_the_end == [True]
    assert not (written / FILE_NAME).exists()


def test_who_writes_for_long_is_left_alone(written, monkeypatch):
    monkeypatch.setattr("actsearch.tuning.storage.PATIENCE_SECONDS", 0.2)
    with (
        writing_lock(written, lambda: False),
        pytest.raises(UsageError, match="another process is writing this search.*another --directory"),
    ):
        prepare_directory(written, "mine", overwrite=True)
    assert (written / FILE_NAME).exists()
