"""Searches on workers of this machine and of Ray that are killed or hang, or whose machine or own process is killed."""

import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from actsearch.executors import Local, Ray
from actsearch.ledger import Kind, Ledger
from actsearch.records import Status
from tests.helpers import processes

pytestmark = pytest.mark.slow
PATIENCE = 120.0  # seconds
KIND = "grid"
RAY = Path(sys.executable).with_name("ray")
SPECS = pytest.mark.parametrize("spec", [Local, Ray])


def below(process) -> list[psutil.Process]:
    """All processes that a process has started, and those that they have."""
    try:
        return psutil.Process(process.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def workers_of(processes) -> list[psutil.Process]:
    """The processes that are a worker of a search, or are being made one."""
    return [p for p in processes if _title(p).startswith("ray::Worker") or _is_forked(p)]


def _is_forked(process) -> bool:
    """Whether it comes from the template of a search: its title is the same."""
    with suppress(psutil.NoSuchProcess, AttributeError):  # AttributeError: it has no parent any more
        return "serve_template" in _title(process) and "serve_template" in _title(process.parent())
    return False


def _title(process) -> str:
    try:
        return " ".join(process.cmdline())
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return ""


def until(found, seconds=PATIENCE):
    """What is found, as soon as it is something."""
    deadline = time.monotonic() + seconds
    while not (result := found()):
        assert time.monotonic() < deadline, "it did not come to that in time"
        time.sleep(0.05)
    return result


def num_recorded(directory) -> int:
    """The executions in the ledger of a search."""
    if not (directory / "ledger.sqlite").exists():
        return 0
    return sum(fact.kind is Kind.EXECUTION for fact in Ledger(directory).facts())


def gone(processes, seconds=20.0):
    """Raises AssertionError where one of the processes is still there after so many seconds."""
    _, left = psutil.wait_procs(processes, timeout=seconds)
    left = [p for p in left if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]
    assert not left, [_title(p) for p in left]


@contextmanager
def searching(directory, store, **options):
    """A search that is under way, and all processes that were ever seen below it; it is ended in any case."""
    process, seen = processes.started(directory, store, KIND, **options), set()
    try:
        yield process, seen
    finally:
        seen |= set(below(process))
        if process.is_alive():
            process.kill()
        process.join()
        for left in seen:
            if left.is_running() and ("ray" in _title(left) or "actsearch.executors" in _title(left)):
                left.kill()


@pytest.fixture
def whole(tmp_path, store):
    """An undisturbed search without workers."""
    processes.ran(tmp_path / "whole", tmp_path / "mlflow.db", KIND)
    return tmp_path / "whole"


@SPECS
@pytest.mark.parametrize("num_workers", [2, 4])
def test_workers_that_are_killed_change_nothing(tmp_path, whole, num_workers, spec):
    """Five at each number of workers, ten in all."""
    directory, draw, kills = tmp_path / "disturbed", random.Random(num_workers), 0
    with searching(directory, tmp_path / "mlflow.db", executor=spec(num_workers, max_retries=5)) as (process, seen):
        until(lambda: num_recorded(directory))
        while kills < 5 and process.is_alive():
            seen |= set(below(process))
            victims = workers_of(below(process))
            if victims and num_recorded(directory) < 20:
                draw.choice(victims).send_signal(signal.SIGKILL)
                kills += 1
            time.sleep(draw.uniform(0.0, 1.0))
        seen |= set(below(process))
        process.join(PATIENCE)
        assert (process.exitcode, kills) == (0, 5)
        gone(seen)
    processes.check(directory, whole, tmp_path / "mlflow.db", kills=kills)


@SPECS
def test_when_the_search_is_killed_its_workers_end_and_it_can_be_resumed(tmp_path, whole, spec):
    directory = tmp_path / "killed"
    with searching(directory, tmp_path / "mlflow.db", executor=spec(2)) as (process, seen):
        until(lambda: num_recorded(directory) > 4)
        seen |= set(below(process))
        assert workers_of(seen)
        process.kill()
        gone(workers_of(seen), 10.0)
        gone(seen, 120.0)  # two helpers of Ray's own wait a minute for what is gone
    assert num_recorded(directory) < 20
    processes.ran(directory, tmp_path / "mlflow.db", KIND)
    processes.check(directory, whole, tmp_path / "mlflow.db", kills=2)


@SPECS
def test_interrupted_once_what_is_under_way_is_kept(tmp_path, whole, spec):
    directory = tmp_path / "interrupted"
    with searching(directory, tmp_path / "mlflow.db", executor=spec(2)) as (process, seen):
        until(lambda: num_recorded(directory) > 2)
        seen |= set(below(process))
        os.kill(process.pid, signal.SIGINT)
        process.join(PATIENCE)
        assert process.exitcode == 1  # KeyboardInterrupt, in a script
        gone(seen)
    assert processes.num_begun(directory) == num_recorded(directory) < 20
    processes.ran(directory, tmp_path / "mlflow.db", KIND)
    processes.check(directory, whole, tmp_path / "mlflow.db", kills=0)


@SPECS
def test_an_execution_that_hangs_is_tried_again_and_then_failed(tmp_path, store, spec):
    directory = tmp_path / "hanging"
    options = {"executor": spec(2, timeout=2.0), "epochs": 10**6, "executions": 1}
    with searching(directory, tmp_path / "mlflow.db", **options) as (process, seen):
        until(lambda: num_recorded(directory) >= 2)
        seen |= set(below(process))
        process.kill()
        gone(workers_of(seen), 10.0)
    first, *_ = (e for trial in Ledger(directory).read().trials for e in trial.executions)
    assert first.status is Status.FAILED
    assert first.reason == "took longer than 2 s (the last of 2 tries)"


TOKEN = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "0123456789abcdef" * 4}


@contextmanager
def cluster(folder, num_nodes):
    """Nodes of one core each, all on this machine: the address, and a process that is each of them."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    shared = ["--block", "--num-cpus=1", "--node-ip-address=127.0.0.1", "--min-worker-port=0", "--max-worker-port=0"]
    head = ["--head", f"--port={address.split(':')[1]}", "--include-dashboard=false", f"--temp-dir={folder}"]
    nodes = []
    try:
        for number in range(num_nodes):
            command = [RAY, "start", *shared, *(head if not number else [f"--address={address}"])]
            with (folder / f"node{number}.log").open("w") as log:
                nodes.append(
                    subprocess.Popen(command, env=os.environ | TOKEN, stdout=log, stderr=log, start_new_session=True)
                )
            until(lambda: "Ray runtime started" in (folder / f"node{number}.log").read_text())  # noqa: B023
        yield address, nodes
    finally:
        for node in nodes:
            for process in [*below(node), psutil.Process(node.pid)]:
                with suppress(psutil.NoSuchProcess):
                    process.kill()
            node.wait()


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL], ids=["removed", "killed"])
def test_a_machine_that_is_lost_changes_nothing(tmp_path, whole, how):
    """A cluster of three nodes; of one all processes get a signal amid the search."""
    directory, short = tmp_path / "disturbed", Path(tempfile.mkdtemp(prefix="ray"))
    with cluster(short, 3) as (address, nodes):
        options = {"executor": Ray(3, address=address), "environment": TOKEN}
        with searching(directory, tmp_path / "mlflow.db", **options) as (process, _):
            until(lambda: num_recorded(directory) > 4)
            workers = [p for node in nodes for p in workers_of(below(node))]
            assert len(workers) == 3
            for lost in [psutil.Process(nodes[2].pid), *below(nodes[2])]:
                lost.send_signal(how)
            process.join(PATIENCE)
            assert process.exitcode == 0
        gone(workers)
    shutil.rmtree(short, ignore_errors=True)
    assert num_recorded(directory) == 20
    processes.check(directory, whole, tmp_path / "mlflow.db", kills=2)
