"""What may happen to the child process of a search, and what becomes of the search then."""

import ctypes
import os
import re
import resource
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import keras
import numpy as np
import psutil
import pytest
import tensorflow as tf

from actsearch.errors import SearchFailedError
from actsearch.executors import Local
from actsearch.executors.local_backend import start_process
from actsearch.executors.specs import make_executor
from actsearch.records import Direction, ExecutionRequest, Objective, Status
from actsearch.training.data import TrainingData
from actsearch.training.execution import Executions
from tests.helpers.networks import small_network

pytestmark = pytest.mark.slow
ACCURACY = Objective("val_accuracy", Direction.MAX)


def children(process=None) -> list[psutil.Process]:
    """The processes that searches in a process have started: the template, and the workers that it has forked."""
    found = (process or psutil.Process()).children(recursive=True)
    return [child for child in found if "actsearch.executors.worker" in " ".join(child.cmdline())]


def workers() -> list[psutil.Process]:
    return [child for child in children() if child.ppid() != os.getpid()]


def request(what="train", execution=1) -> ExecutionRequest:
    return ExecutionRequest(what, execution, 5, 2, {"activation": "relu", "what": what})


@pytest.fixture
def data(digits):
    x, y = digits
    return TrainingData(x[:300], y[:300], (x[300:450], y[300:450]))


def allocate(block):
    """What `ulimit -v` does, here for this process alone."""
    now = psutil.Process().memory_info().vms
    resource.setrlimit(resource.RLIMIT_AS, (now + 2**30, resource.RLIM_INFINITY))
    fill(block)


def fill(block):
    kept = []
    while True:
        kept.append(block())


class Sleeping(keras.Model):
    """Trains for ever."""

    def __init__(self):
        super().__init__()
        self.out = keras.layers.Dense(10, activation="softmax")

    def call(self, x):
        return self.out(x)

    def train_step(self, data):
        tf.py_function(lambda: time.sleep(600), [], [])
        return super().train_step(data)


def sleeping():
    model = Sleeping()
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def holding_the_lock():
    """Nothing else in Python runs meanwhile."""
    Path("held").write_text(str(os.getpid()))
    re.match(r"(a+)+$", "a" * 60 + "b")


def starting_another():
    """A process of the model's own, which holds what this one had open."""
    if os.fork() == 0:
        Path("another").write_text(str(os.getpid()))
        time.sleep(600)
    time.sleep(600)


ENDS = {
    "abort": os.abort,
    "segfault": lambda: ctypes.string_at(0),
    "kill": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "exit": lambda: sys.exit(3),
    "real-time signal": lambda: os.kill(os.getpid(), 40),
    "allocate": partial(allocate, lambda: np.zeros(2**24)),
    "allocate bytes": partial(allocate, lambda: bytes(2**24)),
    "allocate tensors": partial(allocate, lambda: tf.zeros(2**22)),
    "allocate all": partial(fill, lambda: np.zeros(2**24)),
    "sleep": lambda: time.sleep(600),
    "hold": holding_the_lock,
    "another": starting_another,
    "print": lambda: (print("from Python"), os.system("echo from a shell")),
    "interrupt": lambda: os.kill(os.getpid(), signal.SIGINT),
}


def build(hp):
    what = hp.values["what"]
    if what == "sleep in training":
        return sleeping()
    ENDS.get(what, lambda: None)()
    return small_network(hp)


class WithProcess(keras.callbacks.Callback):
    """Writes into the logs which process it runs in."""

    def on_epoch_end(self, epoch, logs=None):
        logs["process"] = float(os.getpid())


def executor(data, **options):
    make = partial(Executions, build=build, data=data, objective=ACCURACY, callbacks=[WithProcess()])
    return make_executor(Local(1, max_retries=0, **options), make)


def ended(running):
    """The record of the execution under way; `next` may come back without one, now and then."""
    while (trained := running.next()) is None:
        pass
    return trained.record


def run(data, *what, **options):
    """The records of these executions, and the state of each."""
    with executor(data, **options) as running:
        records = []
        for number, each in enumerate(what, start=1):
            running.submit(request(each, number))
            records.append(ended(running))
    assert children() == []
    return records, [record.status.value for record in records]


def test_a_process_that_aborts_ends_one_execution(data):
    records, states = run(data, "train", "train", "abort", "train", "train")
    assert states == ["COMPLETED", "COMPLETED", "FAILED", "COMPLETED", "COMPLETED"]
    failed = records[2]
    assert failed.reason == "the process was ended by SIGABRT (6)"
    assert (failed.trial_id, failed.execution, failed.seed, failed.epochs) == ("abort", 3, 5, 2)
    assert records[1].ended_at <= failed.started_at <= failed.ended_at <= records[3].started_at
    assert records[3].history["loss"] == records[0].history["loss"]


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        ("segfault", r"the process was ended by SIGSEGV \(11\)"),
        ("kill", r"the process was ended by SIGKILL \(9\), which the system sends when memory runs out"),
        ("exit", "the process ended with status 3"),
        ("real-time signal", r"the process was ended by signal \(40\)"),
        ("allocate", "MemoryError: "),
        ("allocate bytes", "MemoryError: "),
        ("allocate tensors", "ResourceExhaustedError: |the process was ended by SIGABRT"),
    ],
)
def test_other_ends_of_the_process_too(data, what, reason):
    records, states = run(data, "train", what, "train")
    assert states == ["COMPLETED", "FAILED", "COMPLETED"], records
    assert re.match(reason, records[1].reason)
    assert records[0].history["process"] != records[2].history["process"]


def has_gone(pid, seconds=10):
    """Whether a process ends within some seconds; one that nobody has asked for its status yet has ended too."""
    for _ in range(seconds * 10):
        try:
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.1)
    return False


@pytest.mark.parametrize("what", ["sleep", "sleep in training", "hold", "another"])
def test_an_execution_over_the_time_limit_is_ended(data, what):
    """The limit is one of the execution: starting the process takes longer than that."""
    records, states = run(data, "train", what, "train", timeout=8)
    assert states == ["COMPLETED", "FAILED", "COMPLETED"], records
    assert records[1].reason == "took longer than 8 s"
    assert records[1].ended_at - records[1].started_at >= 8
    if what == "another":
        assert has_gone(int(Path("another").read_text()))


def test_a_process_that_ends_between_executions_costs_none(data):
    with executor(data) as running:
        running.submit(request())
        assert ended(running).status is Status.COMPLETED
        [worker] = workers()
        worker.kill()
        while worker.status() != psutil.STATUS_ZOMBIE:
            time.sleep(0.01)
        time.sleep(1)  # a process has ended only when all of its threads have
        running.submit(request(execution=2))
        assert ended(running).status is Status.COMPLETED


class Aborting:
    """Ends each process that unpickles it."""

    def __reduce__(self):
        return os.abort, ()


def test_a_template_that_ends_between_executions_costs_none(data):
    before = set(psutil.Process().children())
    with executor(data) as running:
        running.submit(request())
        assert ended(running).status is Status.COMPLETED
        [template] = set(psutil.Process().children()) - before
        template.kill()
        template.wait()
        running.submit(request(execution=2))
        assert ended(running).status is Status.COMPLETED


def test_where_no_process_can_begin_there_is_no_search(data):
    make = partial(Executions, build=build, data=data, objective=ACCURACY, callbacks=[Aborting()])
    with (
        pytest.raises(SearchFailedError, match=r"could not begin: the process was ended by SIGABRT \(6\)"),
        make_executor(Local(1), make),
    ):
        pytest.fail("it was entered")
    assert children() == []


def test_a_process_that_ends_before_it_begins_is_replaced(data):
    with Local(1, max_retries=0).start() as started:
        children()[0].kill()
        make = partial(Executions, build=build, data=data, objective=ACCURACY)
        with make_executor(started, make) as running:
            running.submit(request())
            assert ended(running).status is Status.COMPLETED
    assert children() == []


def test_processes_that_are_not_used_are_closed():
    with Local(2).start():
        [template] = children()
    assert not template.is_running()


@pytest.mark.parametrize("main", ["serve", "serve_template"])
def test_a_process_ends_with_its_connection(main):
    """How it notices the end of its parent where the kernel does not end it."""
    connection, process = start_process(main)
    connection.close()
    assert process.wait(timeout=60) == 0


def test_what_an_execution_prints_goes_to_standard_error(data, capfd):
    _, states = run(data, "print")
    out, err = capfd.readouterr()
    assert states == ["COMPLETED"]
    assert out == ""
    assert "from Python" in err
    assert "from a shell" in err


def test_ctrl_c_is_for_the_search_alone(data):
    _, states = run(data, "interrupt")
    assert states == ["COMPLETED"]


def open_files(hp):
    links = list(Path("/proc/self/fd").iterdir())  # with that of the listing itself, which is closed by now
    raise RuntimeError(" ".join(str(link.readlink()) for link in links if link.is_symlink()))


def test_no_open_file_is_handed_on(data, tmp_path):
    with (tmp_path / "ours").open("w") as file:
        os.set_inheritable(file.fileno(), True)
        with make_executor(Local(1), partial(Executions, open_files, data, ACCURACY)) as running:
            running.submit(request())
            reason = ended(running).reason
    assert "socket" in reason
    assert "ours" not in reason


SEARCH = """
import signal
import sys
from functools import partial

import numpy as np
from actsearch._startup import load_tensorflow

load_tensorflow()
from actsearch.executors.specs import get, make_executor
from actsearch.training.data import TrainingData
from actsearch.training.execution import Executions
from tests.faults import test_isolation

signal.signal(signal.SIGINT, lambda *_: print("pressed", flush=True))
x, y = np.zeros((40, 64), "float32"), np.zeros(40, "int32")
make = partial(Executions, test_isolation.build, TrainingData(x, y, (x, y)), test_isolation.ACCURACY)
with make_executor(get("isolated"), make) as running:
    running.submit(test_isolation.request(sys.argv[1]))
    print("begun", flush=True)
    print(test_isolation.ended(running).status, flush=True)
"""


@pytest.fixture
def search(tmp_path):
    """Starts a search of one execution in a session of its own."""
    (tmp_path / "search.py").write_text(SEARCH)
    started = []

    def start(what):
        process = subprocess.Popen(
            [sys.executable, "search.py", what],
            env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        started.append(process)
        assert process.stdout.readline() == "begun\n"
        return process, children(psutil.Process(process.pid))

    yield start
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.mark.parametrize("what", ["hold", "sleep in training"])
def test_nothing_is_left_behind_of_a_search_that_is_killed(search, what):
    process, left = search(what)
    assert len(left) == 2
    while what == "hold" and not Path("held").exists():
        time.sleep(0.1)
    process.kill()
    for child in left:
        child.wait(timeout=10)  # raises where it lives on


def test_ctrl_c_in_the_terminal_does_not_end_the_execution(search):
    process, _ = search("train")
    os.killpg(process.pid, signal.SIGINT)
    assert process.stdout.read() in ("pressed\nCOMPLETED\n", "COMPLETED\npressed\n")


def test_a_whole_search_under_a_limit_of_memory(data):
    """As after `ulimit -v`, which child processes inherit."""
    now = psutil.Process().memory_info().vms
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (now + 4 * 2**30, before[1]))
    try:
        _, states = run(data, "train", "train", "allocate all", "train")
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)
    assert states == ["COMPLETED", "COMPLETED", "FAILED", "COMPLETED"]
