"""Workers on a real Ray of this machine."""

import os
import signal
import stat
from functools import partial

import pytest

from actsearch.errors import UsageError
from actsearch.executors._ray_cluster import one_line
from actsearch.executors.pool import PoolExecutor, WorkerBackend
from actsearch.executors.ray_backend import RayBackend
from actsearch.executors.serialization import pack_job
from actsearch.training.data import TrainingData
from actsearch.training.execution import Executions
from tests.helpers.executions import request, run_executions
from tests.helpers.factories import ACCURACY
from tests.helpers.networks import small_network

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::DeprecationWarning:ray")]


@pytest.fixture
def data(digits):
    x, y = digits
    return TrainingData(x[:300], y[:300], (x[300:450], y[300:450]), (x[450:], y[450:]))


def test_workers_train_what_this_process_would_and_nothing_is_left(data, monkeypatch):
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")  # the user's; Ray of our own has a token all the same
    before = signal.getsignal(signal.SIGTERM)
    asked = [request(name, seed=seed, execution=seed) for seed in (1, 2) for name in ("relu", "prelu")]
    backend = RayBackend(2, address="local")
    assert isinstance(backend, WorkerBackend)
    backend.start()
    folder = backend._folder
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert backend.differences() == []
    job = pack_job(partial(Executions, small_network, data, ACCURACY))
    with PoolExecutor(job, backend) as executor:
        for each in asked:
            executor.submit(each)
        there = []
        while len(there) < 4:
            there += [found] if (found := executor.next()) is not None else []
    here = run_executions(data, *asked)
    scores = [sorted((t.record.seed, t.record.score, str(t.record.history)) for t in some) for some in (there, here)]
    assert scores[0] == scores[1]
    assert not folder.exists()
    assert signal.getsignal(signal.SIGTERM) is before
    assert os.environ["RAY_AUTH_MODE"] == "disabled"


def test_a_cluster_that_is_not_there_is_refused():
    with pytest.raises(UsageError, match=r"No Ray cluster at 127\.0\.0\.1:1 can be joined"):
        RayBackend(2, address="127.0.0.1:1").start()


def test_a_program_that_has_ray_already_gives_no_address(monkeypatch):
    import ray

    monkeypatch.setattr(ray, "is_initialized", lambda: True)
    with pytest.raises(UsageError, match="the address 'there:1' is given too. Omit the address"):
        RayBackend(2, address="there:1").start()


def test_an_error_of_rays_is_reported_by_what_it_says():
    lost = (
        "The actor died unexpectedly before finishing this task.\n\tclass_name: Worker\n\tip: 10.0.0.1\nThe node died."
    )
    assert one_line(RuntimeError(lost)) == "The actor died unexpectedly before finishing this task. The node died."
    raised = "\x1b[36mray::Worker.begin()\x1b[39m (pid=7)\nTraceback ...\n  File x\nModuleNotFoundError: No module named 'mine'"
    assert one_line(RuntimeError(raised)) == "ModuleNotFoundError: No module named 'mine'"
    assert len(one_line(RuntimeError("x" * 5000))) < 320
