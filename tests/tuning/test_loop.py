"""The loop of a search with executors that have several executions under way, and end them in any order."""

import random
import shutil
from pathlib import Path

import pytest

from actsearch.config import SearchConfig
from actsearch.executors.base import Executor
from actsearch.ledger import Ledger
from actsearch.records import Direction, ExecutionRecord, Objective, Status
from actsearch.training.execution import Trained
from actsearch.tuning.allocation import Race, get
from actsearch.tuning.loop import SearchLoop, StopSignal
from actsearch.tuning.oracles import make_oracle
from actsearch.tuning.problem import describe_search, inspect_hypermodel
from actsearch.tuning.progress import Silent
from actsearch.tuning.state import SearchState
from actsearch.tuning.trial_source import TrialSource
from tests.helpers.networks import small_network

pytestmark = pytest.mark.filterwarnings("ignore:The optimal value found:sklearn.exceptions.ConvergenceWarning")  # Bayes
ACCURACY = Objective("val_accuracy", Direction.MAX)


def network(hp):
    hp.Float("rate", 0.001, 0.1, sampling="log")
    return small_network(hp)


class Shuffled(Executor):
    """Ends any of the executions that it has begun, of which there are at most `num`; scores follow from what is asked."""

    def __init__(self, num=1, ahead=0, seed=0, at_end=lambda executor: None):
        self.capacity, self.num_at_once = num + ahead, num
        self.waiting, self.begun, self.requests = [], [], []
        self.draw, self.at_end = random.Random(seed), at_end

    def submit(self, request):
        assert len(self.waiting) + len(self.begun) < self.capacity
        self.waiting.append(request)
        self.requests.append((request.trial_id, request.execution))

    def next(self):
        if self.draw.random() < 0.2:
            return None
        while self.waiting and len(self.begun) < self.num_at_once:
            self.begun.append(self.waiting.pop(self.draw.randrange(len(self.waiting))))
        request = self.begun.pop(self.draw.randrange(len(self.begun)))
        self.at_end(self)
        return Trained(self.record(request))

    def record(self, request):
        draw = random.Random(f"{request.trial_id} {request.seed}")
        identity = (request.trial_id, request.execution, request.seed, request.epochs)
        if draw.random() < 0.05:
            return ExecutionRecord(*identity, Status.FAILED, 1.0, 2.0, reason="no luck")
        score = round(0.9 + draw.gauss(0, 0.01) - 0.02 * (int(request.trial_id) % 3), 2)  # with ties
        return ExecutionRecord(*identity, Status.COMPLETED, 1.0, 2.0, score)

    def cancel(self):
        given_up, self.waiting = self.waiting, []
        return given_up


def search(executor, folder, *, oracle="grid", build=small_network, stop=None, time_budget=None, **options):
    """The record of a whole search, and the oracle that proposed its trials."""
    numbers = {"executions": 3, "allocation": "fixed", "max_trials": 8, **options}
    allocation = (
        Race(12) if numbers["allocation"] == "race" else get(numbers["allocation"], executions=numbers["executions"])
    )
    config = SearchConfig(epochs=9, time_budget=time_budget, **numbers)
    hypermodel = inspect_hypermodel(build)
    made = make_oracle(oracle, ACCURACY, space=hypermodel.hyperparameters, max_trials=numbers["max_trials"], epochs=9)
    made._set_project_dir(str(folder), "oracle")
    made.max_consecutive_failed_trials, made.verbose = float("inf"), 0
    state = SearchState(folder, describe_search(hypermodel, ACCURACY, config, {}, {}))
    trials = TrialSource(made, hypermodel, "tuner", build=build, before=state.earlier_trials)
    stop = stop or StopSignal(print)
    allocation = allocation.start(ACCURACY, alpha=0.05)
    with state.open():
        SearchLoop(config, allocation, trials, executor, state, Silent(), stop).run()
    return state.read(), made


def told(record):
    """All that an outcome consists of."""
    return [
        (t.trial_id, dict(t.hyperparameters), [(e.execution, e.seed, e.epochs, e.score) for e in t.executions])
        for t in record.trials
    ]


def with_more(hp):
    """Each layer's width is a hyperparameter that is there if the layer is."""
    for number in range(hp.Int("layers", 1, 3)):
        hp.Int(f"units_{number}", 8, 16, step=8)
    return small_network(hp, {"activations": ["relu", "tanh"]})


CASES = {
    "fixed": {},
    "conditional grid": {"build": with_more, "max_trials": 40, "executions": 1},
    "conditional random": {"build": with_more, "oracle": "random", "max_trials": 25, "executions": 1},
    "race": {"allocation": "race"},
    "halving": {"allocation": "halving"},
    "random": {"oracle": "random", "build": network},
    "bayesian": {"oracle": "bayesian", "build": network},
    "bayesian race": {"oracle": "bayesian", "build": network, "allocation": "race"},
    "hyperband": {"oracle": "hyperband", "build": network, "executions": 2},
}


SLOW = ("conditional random", "bayesian", "hyperband")


@pytest.mark.parametrize("case", [pytest.param(c, marks=pytest.mark.slow) if c in SLOW else c for c in CASES])
def test_the_result_is_the_same_however_many_are_under_way(case, tmp_path):
    def outcome(name, **shape):
        folder = Path(tmp_path / name)
        folder.mkdir()
        record, oracle = search(Shuffled(**shape), folder, **CASES[case])
        return told(record), oracle.get_best_trials(1)[0].trial_id, oracle.end_order

    alone = outcome("alone")
    assert sum(len(executions) for *_, executions in alone[0]) > 10
    for number, shape in enumerate([{"num": 2}, {"num": 4, "ahead": 64}, {"num": 50, "ahead": 64, "seed": 3}]):
        assert outcome(str(number), **shape) == alone


@pytest.mark.parametrize("case", ["conditional grid", "bayesian", "race"])
def test_it_goes_on_with_another_number_under_way(case, tmp_path):
    whole, other = tmp_path / "whole", tmp_path / "other"
    whole.mkdir()
    other.mkdir()
    record, _ = search(Shuffled(), whole, **CASES[case])
    stop = StopSignal(print)

    def ask(executor):
        stop.requested = len(executor.requests) > 12

    with pytest.raises(KeyboardInterrupt):
        search(Shuffled(num=4, ahead=8, at_end=ask), other, stop=stop, **CASES[case])
    before = Ledger(other).read()
    assert 0 < sum(len(t.executions) for t in before.trials) < sum(len(t.executions) for t in record.trials)
    shutil.rmtree(other / "oracle")
    gone_on, _ = search(Shuffled(num=2, seed=5), other, **CASES[case])
    assert told(gone_on) == told(record)


def test_an_stop_amid_the_last_execution_loses_nothing(tmp_path):
    stop = StopSignal(print)

    def ask(executor):
        stop.requested = len(executor.requests) == 8 * 3

    record, _ = search(Shuffled(at_end=ask), tmp_path, stop=stop, oracle="random", build=network)
    assert sum(len(t.executions) for t in record.trials) == 24


def test_no_trial_is_proposed_long_before_somebody_is_free(tmp_path):
    executor = Shuffled(num=2, ahead=64)
    waiting = []
    executor.at_end = lambda e: waiting.append(sum(r.execution == 1 for r in e.waiting))
    search(executor, tmp_path, oracle="random", build=network, max_trials=20)
    assert max(waiting) <= 5  # of six that the oracle has not been told of


def test_all_take_part_while_an_oracle_waits_for_a_score(tmp_path):
    executor = Shuffled(num=4)
    most = []
    executor.at_end = lambda e: most.append(len(e.begun) + 1)
    search(executor, tmp_path, **CASES["bayesian"])
    assert executor.requests[:3] == [("0", 1), ("0", 2), ("0", 3)]  # nothing of the next trial is known yet
    assert max(most) == 4


def test_an_stop_keeps_what_is_under_way_and_begins_nothing_more(tmp_path):
    stop = StopSignal(print)

    def ask(executor):
        if len(executor.requests) - len(executor.waiting) >= 6:
            stop.requested = True

    executor = Shuffled(num=3, ahead=8, at_end=ask)
    with pytest.raises(KeyboardInterrupt):
        search(executor, tmp_path, stop=stop)
    record = Ledger(tmp_path).read()
    assert sum(len(t.executions) for t in record.trials) == 6


def test_when_the_time_is_used_up_every_trial_ends_the_seed_that_was_begun(tmp_path):
    executor = Shuffled(num=2, ahead=64)
    record, _ = search(executor, tmp_path, executions=12, time_budget=1e-9)
    counts = {len(t.executions) for t in record.trials}
    assert len(counts) == 1
    assert counts.pop() < 12
