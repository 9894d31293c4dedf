"""Searches of the command line on workers: which are asked for, and what is resumed on others."""

import pytest

from actsearch.cli.inputs import workers_of
from actsearch.errors import UsageError
from actsearch.executors import Auto, Local, Ray
from actsearch.executors import get as get_executor
from actsearch.ledger import Ledger
from tests.helpers.executions import interrupted_in

NO_WORKERS = {"isolate": False, "timeout": None, "workers": "0", "address": None, "gpus": None, "max_retries": None}


@pytest.mark.parametrize(
    ("options", "executor"),
    [
        ({}, None),
        ({"isolate": True}, get_executor("isolated")),
        ({"timeout": 120.0}, Local(1, timeout=120.0, max_retries=0)),
        ({"isolate": True, "max_retries": 2}, Local(1, max_retries=2)),
        ({"workers": "4"}, Local(4)),
        ({"workers": "4", "isolate": True, "max_retries": 0}, Local(4, max_retries=0)),
        ({"workers": "2", "address": "local", "timeout": 9.0}, Ray(2, address="local", timeout=9.0)),
        ({"workers": "auto"}, Auto()),
        ({"workers": "auto", "timeout": 9.0, "max_retries": 0}, Auto(timeout=9.0, max_retries=0)),
        ({"workers": "auto", "isolate": True}, Auto(isolated=True)),
        ({"workers": "16", "address": "auto", "gpus": 0.5}, Ray(16, address="auto", gpus=0.5)),
    ],
)
def test_options_say_where_executions_run(options, executor):
    assert workers_of(**NO_WORKERS | options) == executor


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"address": "auto"}, "Give their number too: --workers 2"),
        ({"workers": "2", "gpus": 1.0}, "--workers 2 --address local"),
        ({"max_retries": 1}, "Give --workers or --isolate too"),
        ({"workers": "auto", "address": "auto"}, "Give their number too: --workers 2"),
        ({"workers": "two"}, "--workers 'two' is not a number of processes. Write 0, 1, 2, ... or auto"),
        ({"workers": "-1"}, "number of workers must be a whole number"),
    ],
)
def test_options_that_would_mean_nothing_are_refused(options, message):
    with pytest.raises(UsageError, match=message):
        workers_of(**NO_WORKERS | options)


def test_a_search_is_resumed_on_other_workers(program, without_mlflow, monkeypatch):
    """What was asked for of workers is replaced, in whatever way it was written."""
    import actsearch.cli.resume as resume

    begun = "actsearch search --workers=4 --epochs 1 --address there:6379 --executions 1 --gpus-per-worker 0.5 relu_variants"
    assert resume._without(begun.split(), "--workers", "--address", "--gpus-per-worker") == (
        ["actsearch", "search", "--epochs", "1", "--executions", "1", "relu_variants"]
    )
    assert program("search", "--epochs", 1, "--executions", 1, "--directory", "found")[0] == 0
    status, _, err = program("resume", "found", "--workers", 0)
    assert status == 0
    assert "resuming after 5 executions" in err
    status, _, err = program("resume", "found", "--address", "there:1")
    assert status == 2
    assert "Give their number too: --workers 2" in err


@pytest.mark.slow
def test_a_search_of_this_process_is_completed_by_workers(program, store, monkeypatch):
    """What they train is what it would have trained."""
    arguments = ("search", "classic", "--epochs", 2, "--executions", 2, "--directory")
    assert program(*arguments, "whole")[0] == 0
    with monkeypatch.context() as patch:
        patch.setattr("actsearch.training.execution.order_of", interrupted_in(3 * 2 - 1))
        assert program(*arguments, "found")[0] == 130
    status, _, err = program("resume", "found", "--workers", 2)
    assert status == 0, err
    assert "resuming after 2 executions" in err
    assert scores_in("found") == scores_in("whole")


def scores_in(directory):
    trials = Ledger(directory).read().trials
    return {(t.activation, e.execution): (e.score, e.history) for t in trials for e in t.executions}
