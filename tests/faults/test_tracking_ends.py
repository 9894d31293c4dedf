"""The process of a search ends, or the one that writes it to MLflow; in the end MLflow has everything once."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from actsearch.errors import TrackingError
from actsearch.tracking.store import StoreAddress
from actsearch.tracking.sync_process import started_early, sync
from tests.helpers.tracking import (
    KEYS,
    Searching,
    contents,
    execution,
    in_mlflow,
    statuses,
    sync_processes,
    undisturbed,
    wait_until,
)

pytestmark = pytest.mark.slow


KILLED = """
import os, signal, time
from pathlib import Path
from actsearch.tuning.state import SearchState
from tests.helpers.tracking import execution, search_record, trial
from actsearch.tracking.store import StoreAddress
with SearchState(Path("found"), search_record(), store=StoreAddress({uri!r}, "local")).open() as ledger:
    for number in (0, 1):
        ledger.append_trial(trial(number))
    ledger.append_execution(execution(0, 1))
    {then}
    os.kill(os.getpid(), signal.SIGKILL)
"""


KILL_ITS_SYNC_PROCESS = """
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


def test_a_killed_search_is_closed_and_resumed_later(store, tmp_path, local):
    killed_search(local)
    sync("found")  # its own process may be at it still
    expected = dict.fromkeys(KEYS, "KILLED") | {("execution", "0", "1"): "FINISHED"}
    assert statuses(store, "local") == expected
    search = Searching(local)
    search.run(lambda: search.ledger.append_execution(execution(1, 1)), search.seed(2))
    assert set(statuses(store, "local").values()) == {"FINISHED"}
    assert contents(store, "local") == undisturbed("found", store, tmp_path)


def test_a_search_that_was_killed_with_its_sync_process(store, tmp_path, local):
    killed_search(local, KILL_ITS_SYNC_PROCESS)
    assert statuses(store, "local")["search", None, None] == "RUNNING"
    sync("found", running=True)
    assert {statuses(store, "local")[key] for key in KEYS} == {"RUNNING"}
    sync("found")
    once = contents(store, "local")
    assert {once[key][0][0] for key in KEYS} == {"KILLED"}
    sync("found")
    assert contents(store, "local") == once == undisturbed("found", store, tmp_path)


def test_a_search_that_was_interrupted_and_resumed(store, tmp_path, local):
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


def test_no_two_processes_write_a_search(store, local):
    def refused():
        with pytest.raises(TrackingError, match="another process is writing"):
            sync("found", running=True)

    search = Searching(local)
    search.run(search.trials, in_mlflow(store, "local", 3), refused)
    assert search.messages == []


def test_a_sync_process_that_was_started_early(store, local, tmp_path):
    with started_early():
        [process] = sync_processes()
        search, seen = Searching(local), []
        search.run(search.trials, lambda: seen.extend(sync_processes()), search.seed(1))
    assert seen == [process]
    assert contents(store, "local") == undisturbed("found", store, tmp_path)


def test_a_sync_process_writes_the_next_search_too(store, local):
    """To another experiment of the same store; the output of each search is in its own log."""
    seen, logs = [], []
    for name in ("local", "second"):
        search = Searching(StoreAddress(local.tracking_uri, name), directory=name)
        search.run(search.trials, search.seed(1))
        seen.append(sync_processes())
        logs.append(Path(f"/proc/{seen[-1][0].pid}/fd/2").readlink().name)
        assert len(contents(store, name)) == 5
    assert seen[0] == seen[1]
    assert len(seen[0]) == 1
    assert "tracking.log" not in logs


@pytest.mark.parametrize("end", ["pass", "os.kill(os.getpid(), signal.SIGKILL)"])
def test_a_sync_process_that_waits_for_another_search_ends_with_its_program(store, local, end):
    code = KILLED.format(uri=local.tracking_uri, then="break_here = True").replace(
        "    os.kill(os.getpid(), signal.SIGKILL)\n",
        f"import psutil\nprint(psutil.Process().children()[0].pid, flush=True)\n{end}\n",
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-W", "always", "-c", code]
    ended = subprocess.run(command, check=False, text=True, capture_output=True, env=environment)
    assert "subprocess" not in ended.stderr  # no warning of a process that is running still
    wait_until(lambda: not psutil.pid_exists(int(ended.stdout)))
    assert set(statuses(store, "local").values()) == {"FINISHED"}


def test_a_sync_process_that_nobody_needed_is_ended():
    with started_early():
        [process] = sync_processes()
    assert not process.is_running()


def test_a_sync_process_without_a_job_ends_with_its_program():
    code = "from actsearch.tracking.sync_process import started_early\nimport os, psutil\nwith started_early():\n"
    code += "    print(psutil.Process().children()[0].pid, flush=True)\n    os._exit(0)"
    said = subprocess.run([sys.executable, "-c", code], check=True, text=True, capture_output=True).stdout
    wait_until(lambda: not psutil.pid_exists(int(said)))


FORKED = """
import os, signal, time
import psutil
from pathlib import Path
from actsearch.tuning.state import SearchState
from tests.helpers.tracking import execution, search_record, trial
from actsearch.tracking.store import StoreAddress
with SearchState(Path("found"), search_record(), store=StoreAddress({uri!r}, "local")).open() as ledger:
    ledger.append_trial(trial(0))
    print(*(child.pid for child in psutil.Process().children()), flush=True)
    if os.fork() == 0:  # holds the pipe to the sync process open
        os.close(1)
        time.sleep(600)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_sync_process_ends_with_a_search_whose_children_live_on(store, local):
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    code = FORKED.format(uri=local.tracking_uri)
    before = set(psutil.pids())
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=environment) as program:
        syncing = int(program.stdout.readline())
    try:
        wait_until(lambda: not psutil.pid_exists(syncing))
        assert {statuses(store, "local")[key] for key in KEYS - {("trial", "1", None)}} == {"KILLED"}
    finally:
        for pid in set(psutil.pids()) - before:
            if program.args[2] in psutil.Process(pid).cmdline():
                psutil.Process(pid).kill()


def test_a_sync_process_that_is_killed_is_reported(local, store):
    search = Searching(local)
    search.run(search.trials, lambda: sync_processes()[0].kill(), search.reported)
    assert "ended with status -9" in search.messages[0]
    sync("found")
    assert {statuses(store, "local")[key] for key in KEYS} == {"FINISHED"}
