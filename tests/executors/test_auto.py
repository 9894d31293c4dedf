"""Whether local workers would end a search earlier, by an estimate of what it has to do."""

import math
from dataclasses import replace

import keras
import numpy as np
import pytest
import tensorflow as tf

from actsearch.config import SearchConfig
from actsearch.executors.auto import START_SECONDS, Workload, choose_num_workers, workload_of
from actsearch.training.data import TrainingData

CONFIG = SearchConfig(epochs=10, executions=3)

LONG = Workload(num_concurrent=10, seconds=1000.0, data_bytes=10**6)
MEMORY = 10**10


@pytest.mark.parametrize(
    ("work", "num_cores", "free_bytes", "num", "why"),
    [
        (LONG, 2, MEMORY, 2, "one process would take an estimated 17 min, and a training uses one core"),
        (LONG, 64, 10**11, 10, "17 min"),
        (replace(LONG, seconds=math.inf), 2, MEMORY, 2, "one process would not end"),
        (replace(LONG, seconds=36_000.0), 2, MEMORY, 2, "10 h"),
        (LONG, 1, MEMORY, 0, "only one core is available"),
        (replace(LONG, fills_cores=True), 2, MEMORY, 0, "a training of this model uses all cores"),
        (replace(LONG, num_concurrent=1), 2, MEMORY, 0, "no two executions"),
        (replace(LONG, obstacle="it rains"), 2, MEMORY, 0, "it rains"),
        (
            replace(LONG, data_bytes=10**9),
            2,
            2 * 10**9,
            0,
            "two workers need some 2.8 GB of memory, and 2.0 GB are free",
        ),
        (replace(LONG, num_concurrent=90), 64, 16 * 10**9, 39, "one process would"),
        (
            replace(LONG, seconds=20.0),
            2,
            MEMORY,
            0,
            "it takes an estimated 20 s, and 2 workers would take 4 s to start",
        ),
    ],
)
def test_workers_are_chosen_where_they_help(work, num_cores, free_bytes, num, why):
    chosen, reason = choose_num_workers(work, num_cores, free_bytes)
    assert chosen == num
    assert why in reason


@pytest.mark.parametrize("num_cores", [2, 4, 16])
def test_a_search_never_takes_longer_than_it_would_in_one_process(num_cores):
    """By its own estimate; and the longer a search is, the sooner workers are chosen."""
    chosen = [choose_num_workers(replace(LONG, seconds=s), num_cores, MEMORY)[0] for s in range(1, 200)]
    assert chosen == sorted(chosen)
    assert chosen[-1] == min(num_cores, 10)
    first = next(seconds for seconds, num in enumerate(chosen, start=1) if num)
    assert START_SECONDS < first < 30


class Sequence(keras.utils.PyDataset):
    """Five batches of eight."""

    def __len__(self):
        return 5

    def __getitem__(self, number):
        return np.zeros((8, 64), "float32"), np.zeros(8)


class Subclassed(keras.Model):
    """A model of which nobody knows the shapes inside."""

    def __init__(self):
        super().__init__()
        self.dense = keras.layers.Dense(10)

    def call(self, x):
        return self.dense(x)


@pytest.fixture(scope="module")
def model():
    return keras.Sequential([keras.Input((64,)), keras.layers.Dense(16, "relu"), keras.layers.Dense(10)])


@pytest.fixture(scope="module")
def data(digits):
    x, y = digits
    return TrainingData(x[:480], y[:480], (x[480:], y[480:]))


def test_more_work_takes_longer(model, data):
    found = workload_of(model, data, CONFIG, num_trials=5)
    assert found == replace(found, num_concurrent=15, fills_cores=False, obstacle=None)
    assert found.data_bytes > 480 * 64 * 4
    assert 1 < found.seconds < 10

    def seconds(num_trials=5, is_fit=False, **numbers):
        return workload_of(model, data, replace(CONFIG, **numbers), num_trials=num_trials, is_fit=is_fit).seconds

    assert seconds(10) == pytest.approx(2 * found.seconds)
    assert seconds(epochs=1000) > 10 * found.seconds
    assert seconds(epochs=100, batch_size=4) > 3 * seconds(epochs=100)
    assert seconds(epochs=100, is_fit=True) > 3 * seconds(epochs=100)
    assert seconds(epochs=900, allocation="halving") < seconds(epochs=900) / 2
    assert seconds(epochs=900, time_budget=0.5) == 0.5
    assert seconds(None) == math.inf


def test_a_race_runs_its_trials_concurrently(model, data):
    race = replace(CONFIG, allocation="race", executions=None)
    assert workload_of(model, data, race, num_trials=5).num_concurrent == 5


def test_batches_are_counted_where_they_are_known(model, data):
    dataset = tf.data.Dataset.from_tensor_slices((data.x, data.y)).batch(32)
    found = workload_of(model, TrainingData(dataset), CONFIG, num_trials=5)
    assert found.seconds == pytest.approx(workload_of(model, data, CONFIG, num_trials=5).seconds)
    assert workload_of(model, TrainingData(Sequence()), CONFIG, num_trials=5).obstacle is None
    steps = TrainingData(dataset.repeat(), fit_options={"steps_per_epoch": 3})
    assert workload_of(model, steps, CONFIG, num_trials=5).seconds < found.seconds
    unknown = TrainingData(dataset.filter(lambda *batch: True))
    assert "batches in an epoch is unknown" in workload_of(model, unknown, CONFIG, num_trials=5).obstacle


def test_what_cannot_be_estimated_is_an_obstacle(model, data):
    assert "the score of the previous one" in workload_of(model, data, CONFIG, num_trials=5, learns=True).obstacle
    subclassed = Subclassed()
    subclassed(data.x[:1])
    assert "a subclassed model is unknown" in workload_of(subclassed, data, CONFIG, num_trials=5).obstacle


def test_a_large_step_fills_the_cores(model, data):
    assert workload_of(model, data, replace(CONFIG, batch_size=4096), num_trials=5).fills_cores
