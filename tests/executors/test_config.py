import sys
import threading
from functools import partial

import pytest

from actsearch.errors import UsageError
from actsearch.executors.config import Place
from actsearch.records import Direction, Objective
from actsearch.training.data import TrainingData
from actsearch.training.execution import Executions
from tests.helpers.networks import small_network


def made(digits, **options):
    x, y = digits
    data = TrainingData(x[:20], y[:20], (x[20:40], y[20:40]))
    return partial(Executions, small_network, data, Objective("val_accuracy", Direction.MAX), **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"workers": -1}, "workers must be a whole number from 0 on, not -1"),
        ({"workers": True}, "workers must be a whole number"),
        ({"workers": 2.0}, "workers must be a whole number"),
        ({"workers": 2, "max_retries": -1}, "max_retries must be a whole number"),
        ({"workers": 2, "gpus_per_worker": 1.5}, "a share of a GPU or a whole number of them, not 1.5"),
        ({"workers": 2, "gpus_per_worker": -1}, "not -1"),
        ({"address": "auto"}, "give their number too, workers=2"),
        ({"gpus_per_worker": 1}, "give their number too"),
        ({"workers": 2, "address": "ray://there:10001"}, "Run the search on a machine of the cluster"),
        ({"timeout": 0.0}, "execution_timeout must be above 0 seconds"),
    ],
)
def test_what_cannot_be_is_refused(options, message):
    with pytest.raises(UsageError, match=message):
        Place(**options)


def test_without_ray_it_says_what_to_install(digits, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UsageError, match=r'pip install "actsearch\[ray\]"'):
        Place(workers=2).executor(made(digits), print)


def test_what_cannot_be_sent_is_told_before_ray_is_even_imported(digits, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UsageError, match="`callbacks` cannot be sent to another process"):
        Place(workers=2).executor(made(digits, callbacks=[threading.Lock()]), print)
