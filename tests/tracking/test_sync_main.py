"""When the process that writes to MLflow takes its search for over, and what it says of an error."""

import os
import subprocess
import sys
import threading

import pytest

from actsearch.tracking import _sync_main
from actsearch.tracking._sync_main import NICENESS, FollowedSearch, ParentProcess, beside_training, explain

JOB = {
    "directory": "found",
    "tracking_uri": "sqlite:///mlflow.db",
    "experiment": "mine",
    "running": False,
    "thorough": False,
}


@pytest.fixture
def line(monkeypatch):
    """The other end of standard input, which a child of the search's process may hold open too."""
    kept = os.dup(0)
    reading, writing = os.pipe()
    os.dup2(reading, 0)
    os.close(reading)
    yield writing
    os.dup2(kept, 0)
    os.close(kept)
    os.close(writing)


def test_a_search_is_over_when_its_process_says_so(line):
    search = FollowedSearch(JOB, ParentProcess(os.getppid()))
    search.wait(0.0)
    assert not search.is_over
    os.write(line, b"over\n")
    search.wait(5.0)
    assert search.is_over


def test_a_search_whose_process_is_gone_is_over_though_its_pipe_is_open(line):
    """Whoever asks after that process has ended has another parent from the start."""
    search = FollowedSearch(JOB, ParentProcess(ended_process()))
    search.wait(0.0)
    assert search.is_over


def test_a_long_wait_looks_for_the_process_of_the_search(line, monkeypatch):
    monkeypatch.setattr(_sync_main, "PARENT_SECONDS", 0.01)
    parents = iter([7, 7, 1])
    monkeypatch.setattr(os, "getppid", lambda: next(parents))
    assert ParentProcess(7).has_spoken(60.0)


def test_no_job_comes_from_a_process_that_is_gone(line):
    assert _sync_main.read_job(ParentProcess(ended_process())) is None


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere, a priority is that of a process")
def test_only_what_is_done_beside_training_has_a_low_priority():
    def priority():
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    mine = priority()
    with beside_training() as background:
        assert background.submit(priority).result() == min(mine + NICENESS, 19)
    assert priority() == mine


def test_an_error_is_one_line_without_its_passwords():
    error = ValueError(f"no\n  store at postgresql://me:{'secret' * 60}@host/runs here")
    assert explain(error) == "ValueError: no store at postgresql://***@host/runs here"


def test_where_the_system_failed_it_says_what():
    error = RuntimeError("Max retries exceeded")
    error.__cause__ = ConnectionRefusedError(111, "Connection refused")
    assert explain(error) == "ConnectionRefusedError: [Errno 111] Connection refused"


def ended_process() -> int:
    """The id of a process that was, and is no more."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        return process.pid
