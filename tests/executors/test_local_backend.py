"""Processes of this machine as workers, forked from a template or not."""

import os
import sys
from functools import partial

import numpy as np
import psutil
import pytest

from actsearch.environment import num_cores
from actsearch.errors import SearchFailedError
from actsearch.executors.local_backend import LocalBackend, Template, ending
from actsearch.executors.pool import PoolExecutor, WorkerBackend
from actsearch.executors.serialization import pack_job
from actsearch.records import Status
from actsearch.training.data import TrainingData
from actsearch.training.execution import Executions
from tests.helpers.executions import request, run_executions
from tests.helpers.factories import ACCURACY
from tests.helpers.networks import small_network


@pytest.fixture
def data(digits):
    x, y = digits
    return TrainingData(x[:300], y[:300], (x[300:450], y[300:450]), (x[450:], y[450:]))


def all_of(pool, *requests):
    """The records of these executions, by trial."""
    for each in requests:
        pool.submit(each)
    found = []
    while len(found) < len(requests):
        found += [trained.record] if (trained := pool.next()) is not None else []
    return {record.seed: record for record in found}


def threads_of(hp):
    """Fails with the number of TensorFlow's threads."""
    import tensorflow as tf

    raise RuntimeError(f"{tf.config.threading.get_intra_op_parallelism_threads()} threads")


@pytest.mark.slow
@pytest.mark.parametrize("forks", [True, False], ids=["forked", "started"])
def test_workers_train_what_this_process_would(data, forks, monkeypatch):
    """Without Ray, whether they are forked or started one by one."""
    monkeypatch.setitem(sys.modules, "ray", None)
    asked = [request(name, seed=seed, execution=seed) for seed, name in enumerate(("relu", "prelu", "selu", "elu"), 1)]
    backend = LocalBackend(2, forks=forks)
    assert isinstance(backend, WorkerBackend)
    with PoolExecutor(pack_job(partial(Executions, small_network, data, ACCURACY)), backend) as pool:
        there = all_of(pool, *asked)
        victim = next(p for p in psutil.Process().children(recursive=True) if _is_worker(p, forks))
        victim.kill()
        again = all_of(pool, *asked)
    here = {trained.record.seed: trained.record for trained in run_executions(data, *asked)}
    for seed, record in here.items():
        assert there[seed].history == again[seed].history == record.history
        assert there[seed].resources.peak_rss_bytes > record.resources.training_memory_bytes
        assert there[seed].resources.training_memory_bytes == record.resources.training_memory_bytes
    assert not [p for p in psutil.Process().children(recursive=True) if _is_worker(p, forks)]


def _is_worker(process, forks) -> bool:
    command = " ".join(process.cmdline())
    return "executors.worker" in command and (not forks or process.ppid() != os.getpid())


@pytest.mark.slow
@pytest.mark.parametrize("num", [1, 2])
def test_each_gets_an_equal_share_of_the_cores(data, num):
    """One alone is left to TensorFlow, which takes all."""
    job = pack_job(partial(Executions, threads_of, data, ACCURACY))
    with PoolExecutor(job, LocalBackend(num)) as pool:
        [record] = all_of(pool, request()).values()
    assert record.status is Status.FAILED
    assert f"RuntimeError: {0 if num == 1 else max(1, num_cores() // num)} threads" in record.reason


def add_to(array, hp):
    """Fails with the sum of an array that each call adds to."""
    array += 1
    raise RuntimeError(f"it is {array.sum()}")


@pytest.mark.slow
def test_what_a_worker_does_to_arrays_reaches_no_other(data):
    """They share the arrays of the job until one is written to."""
    array = np.zeros(1000)
    job = pack_job(partial(Executions, partial(add_to, array), data, ACCURACY))
    with PoolExecutor(job, LocalBackend(1), max_retries=0) as pool:
        reasons = [all_of(pool, request())[5].reason for _ in range(2)]
        pool._backend.fire(next(iter(pool._backend._workers)))
        pool._free.clear()
        pool._hire()
        reasons.append(all_of(pool, request())[5].reason)
    assert [reason.partition(" (")[0] for reason in reasons] == [
        "RuntimeError: it is 1000.0",
        "RuntimeError: it is 2000.0",
        "RuntimeError: it is 1000.0",
    ]
    assert array.sum() == 0


def test_a_template_that_never_lives_ends_the_search(monkeypatch, data):
    def dead(template, job):
        raise EOFError

    monkeypatch.setattr(Template, "fork", dead)
    backend = LocalBackend(2)
    with (
        pytest.raises(SearchFailedError, match="could not begin: the process does not answer"),
        PoolExecutor(pack_job(partial(Executions, small_network, data, ACCURACY)), backend),
    ):
        pytest.fail("it was entered")


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (3, "the process ended with status 3"),
        (-11, "the process was ended by SIGSEGV (11)"),
        (-9, "the process was ended by SIGKILL (9), which the system sends when memory runs out"),
        (-40, "the process was ended by signal (40)"),
    ],
)
def test_how_a_process_ended_is_said_in_words(status, words):
    assert ending(status) == words
