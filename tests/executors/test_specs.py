import subprocess
import sys
import threading
from dataclasses import replace
from functools import partial

import pytest

from actsearch import executors
from actsearch.errors import UnknownNameError, UsageError
from actsearch.executors import Auto, Local, Ray
from actsearch.executors.auto import Workload
from actsearch.executors.base import InProcess
from actsearch.executors.pool import PoolExecutor
from actsearch.executors.specs import make_executor
from actsearch.records import Direction, Objective
from actsearch.training.data import TrainingData
from actsearch.training.execution import Executions
from tests.helpers.networks import small_network


def made(digits, **options):
    x, y = digits
    data = TrainingData(x[:20], y[:20], (x[20:40], y[20:40]))
    return partial(Executions, small_network, data, Objective("val_accuracy", Direction.MAX), **options)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Local(0), "number of workers must be a whole number of at least 1, not 0"),
        (lambda: Local(-1), "not -1"),
        (lambda: Local(True), "whole number"),
        (lambda: Ray(2.0), "whole number"),
        (lambda: Local(2, max_retries=-1), "max_retries must be a whole number"),
        (lambda: Local(2, timeout=0.0), "timeout must be above 0 seconds"),
        (lambda: Ray(2, gpus=1.5), r"a fraction of a GPU or a whole number of GPUs, not 1\.5"),
        (lambda: Ray(2, gpus=-1), "not -1"),
        (lambda: Ray(2, address="ray://there:10001"), "Run the search on a machine of the cluster"),
        (lambda: executors.get(4), r"not 4\. For four processes on this machine pass .*Local\(4\)"),
    ],
)
def test_what_cannot_be_is_refused(make, message):
    with pytest.raises(UsageError, match=message):
        make()


def test_names_and_objects_are_found():
    assert executors.get(None) is None
    assert executors.get("isolated") == Local(1, max_retries=0)
    assert executors.get("local") == Local(1, max_retries=1)
    assert executors.get(four := Local(4)) is four
    with pytest.raises(UnknownNameError, match="Unknown executor 'isolate'. Did you mean 'isolated'"):
        executors.get("isolate")


def test_a_search_without_workers_runs_in_this_process(digits):
    assert isinstance(make_executor(None, made(digits)), InProcess)


def test_numbers_reach_the_pool(digits):
    pool = make_executor(Local(3, timeout=5.0, max_retries=2), made(digits))
    assert isinstance(pool, PoolExecutor)
    assert (pool.num_at_once, pool._timeout, pool._max_retries) == (3, 5.0, 2)


def test_without_ray_it_says_what_to_install(digits, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UsageError, match=r'pip install "actsearch\[ray\]".*Local\(num\), which do not need Ray'):
        make_executor(Ray(2), made(digits))
    make_executor(Local(4), made(digits))


@pytest.mark.parametrize("spec", [Local(2), Ray(2)])
def test_what_cannot_be_sent_is_reported_before_anything_starts(digits, monkeypatch, spec):
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.setattr("actsearch.executors.local_backend.subprocess", None)
    with pytest.raises(UsageError, match="`callbacks` cannot be sent to another process"):
        make_executor(spec, made(digits, callbacks=[threading.Lock()]))


def test_a_process_can_be_started_before_tensorflow_is_imported():
    code = """
import sys
from actsearch.executors import Local, Ray, get
with Local(1).start() as started:
    assert get(started) is started
    assert started.num_workers == 1
    assert not {"tensorflow", "keras", "ray", "mlflow"} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True)


LONG = Workload(num_concurrent=10, seconds=1000.0)


@pytest.fixture
def two_cores(monkeypatch):
    monkeypatch.setattr("actsearch.executors.specs.num_cores", lambda: 2)


def test_auto_takes_workers_for_a_long_search(digits, two_cores):
    spec, why = Auto(timeout=60.0).chosen(made(digits), lambda: LONG)
    assert spec == Local(2, timeout=60.0)
    assert (
        why
        == "executor: 2 local workers, since one process would take an estimated 17 min, and a training uses one core."
    )
    assert executors.get("auto") == Auto()


def test_auto_takes_this_process_for_a_short_search(digits, two_cores):
    spec, why = Auto().chosen(made(digits), lambda: replace(LONG, seconds=12.0))
    assert spec is None
    assert why == "executor: one process, since it takes an estimated 12 s, and 2 workers would take 4 s to start."
    spec, why = Auto(isolated=True).chosen(made(digits), lambda: replace(LONG, seconds=12.0))
    assert spec == Local(1)
    assert why.startswith("executor: one local worker, since it takes")


def test_auto_takes_this_process_for_what_cannot_be_sent(digits, two_cores):
    make = made(digits, callbacks=[threading.Lock()])
    spec, why = Auto().chosen(make, lambda: LONG)
    assert spec is None
    assert why.startswith("executor: one process, since `callbacks` cannot be sent to another process")
    with pytest.raises(UsageError, match="`callbacks` cannot be sent"):
        Auto(timeout=5.0).chosen(make, lambda: LONG)
