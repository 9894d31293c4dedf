"""Locks between processes."""

import hashlib
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time

import pytest

from actsearch._locks import creation_lock, is_locked, locked, writing_lock
from actsearch.errors import TrackingError, UsageError

HOLDER = """
import sys, time
from pathlib import Path
from actsearch._locks import locked, writing_lock
with locked(Path.cwd()), writing_lock(Path.cwd(), lambda: False):
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def holder():
    """A process that searches in the working directory, and writes it to MLflow."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", HOLDER]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_who_holds_a_directory_is_said(holder, tmp_path):
    for _ in range(2):  # asking takes nothing of the answer away
        expected = f"another process is searching here \\(process {holder.pid} on "
        with pytest.raises(UsageError, match=expected), locked(tmp_path):
            pass
    assert is_locked(tmp_path)
    with pytest.raises(TrackingError, match="another process is writing"), writing_lock(tmp_path, lambda: False):
        pass


def test_who_is_dead_holds_nothing(holder, tmp_path):
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    with locked(tmp_path), writing_lock(tmp_path, lambda: False):
        assert is_locked(tmp_path)
    assert not is_locked(tmp_path)


def test_an_error_inside_frees_the_lock(tmp_path):
    with pytest.raises(ZeroDivisionError), locked(tmp_path), writing_lock(tmp_path, lambda: False):
        raise ZeroDivisionError
    with locked(tmp_path), writing_lock(tmp_path, lambda: False):
        pass


def test_who_waits_writes_when_the_other_has_ended(tmp_path):
    order = []

    def write():
        with writing_lock(tmp_path, lambda: False):
            begun.set()
            time.sleep(0.2)
            order.append("first")

    def wait():
        time.sleep(0.02)
        return True

    begun = threading.Event()
    other = threading.Thread(target=write)
    other.start()
    begun.wait()
    with writing_lock(tmp_path, wait):
        order.append("second")
    other.join()
    assert order == ["first", "second"]


def test_one_database_is_made_by_one_at_a_time(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    inside, most = [], []

    def make():
        with creation_lock(tmp_path / "mlflow.db"):
            inside.append(None)
            most.append(len(inside))
            time.sleep(0.02)
            inside.pop()

    threads = [threading.Thread(target=make) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1, 1, 1, 1]


def test_a_link_in_the_shared_folder_is_not_followed(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    (tmp_path / "precious").write_text("kept")
    database = tmp_path / "mlflow.db"
    name = hashlib.sha256(str(database).encode()).hexdigest()[:16]
    (tmp_path / f"actsearch-{os.getuid()}-{name}.lock").symlink_to(tmp_path / "precious")
    with pytest.raises(OSError, match="symbolic links"), creation_lock(database):
        pass
    assert (tmp_path / "precious").read_text() == "kept"
