"""The randomness of data sets: the same for all trials, another in each execution."""

import numpy as np
import pytest
import tensorflow as tf

from actsearch.training.datasets.seeding import Seeding


@pytest.fixture(autouse=True)
def _without_a_global_seed():
    """TensorFlow gives the seed of operations to whatever is made after `keras.utils.set_random_seed`."""
    tf.random.set_seed(None)


numbers = tf.data.Dataset.range


def noisy(value):
    return tf.cast(value, tf.float32) + tf.random.uniform([])


def noisy_file(number):
    return numbers(4).map(lambda value: value + 10 * number).shuffle(4)


def one_after_the_other():
    yield from range(5)


def of_python():
    return tf.data.Dataset.from_generator(one_after_the_other, output_signature=tf.TensorSpec((), tf.int32))


def seen(dataset):
    return [round(float(value), 4) for batch in dataset for value in np.ravel(batch)]


def epochs_of(seeding, seed):
    """What two epochs of an execution see."""
    made = seeding.with_seed(seed)
    return [seen(made(epoch)) for epoch in range(2)]


RANDOM = {
    "shuffle": lambda: numbers(8).shuffle(8).batch(3).prefetch(1),
    "seed": lambda: numbers(8).shuffle(8, seed=3).batch(3),
    "shuffles": lambda: numbers(8).shuffle(8).concatenate(numbers(8).shuffle(8)),
    "after a fixed part": lambda: numbers(8).shuffle(8, reshuffle_each_iteration=False).take(5).shuffle(8),
    "after a cache": lambda: numbers(8).shuffle(8).cache().map(lambda value: value + 1).shuffle(8),
    "random operation": lambda: numbers(4).map(noisy),
    "both": lambda: numbers(4).map(noisy).shuffle(4).repeat(2),
    "in files": lambda: numbers(3).interleave(noisy_file),
    "of python": lambda: of_python().shuffle(5),
}


@pytest.mark.parametrize("name", RANDOM)
def test_trials_see_the_same_and_executions_and_epochs_do_not(name):
    seeding = Seeding(RANDOM[name]())
    first = epochs_of(seeding, 1)
    assert epochs_of(seeding, 1) == first
    assert first[0] != first[1]
    assert epochs_of(seeding, 2) != first


def test_without_a_seed_for_a_function_fit_draws_new_numbers_in_each_epoch():
    dataset = Seeding(RANDOM["both"]()).for_fit(1)
    assert seen(dataset) != seen(dataset)


FIXED = {
    "plain": lambda: numbers(8).batch(3),
    "fixed order": lambda: numbers(8).shuffle(8, seed=3, reshuffle_each_iteration=False),
    "fixed order without a seed": lambda: numbers(8).shuffle(8, reshuffle_each_iteration=False),
    "cached": lambda: numbers(8).shuffle(8).cache(),
}


@pytest.mark.parametrize("name", FIXED)
def test_what_is_fixed_stays_as_it_is(name):
    """`take` and `skip` may have divided it into training and validation data."""
    dataset = FIXED[name]()
    before = seen(dataset)
    seeding = Seeding(dataset)
    assert epochs_of(seeding, 1) == epochs_of(seeding, 2) == [before, before]
    assert not seeding.problems


def test_a_cache_is_filled_once_for_all_executions():
    read = []

    def slow(value):
        read.append(value)
        return value

    dataset = numbers(6).map(lambda value: tf.numpy_function(slow, [value], tf.int64)).cache().shuffle(6)
    seeding = Seeding(dataset)
    for seed in range(3):
        epochs_of(seeding, seed)
    assert len(read) == 6


PROBLEMS = {
    "parallel map": lambda: numbers(4).map(lambda value: value, num_parallel_calls=2, deterministic=False),
    "Python code": of_python,
    "in no fixed order": lambda: numbers(4).map(noisy, num_parallel_calls=2),
}


@pytest.mark.parametrize("says", PROBLEMS)
def test_what_cannot_be_seeded_is_said(says):
    (problem,) = Seeding(PROBLEMS[says]()).problems
    assert says in problem


def test_large_arrays_are_not_written_as_a_graph(monkeypatch):
    monkeypatch.setattr("actsearch.training.datasets.dataset_graph.MAX_BYTES", 10)
    dataset = tf.data.Dataset.from_tensor_slices(np.arange(8)).shuffle(8)
    seeding = Seeding(dataset)
    assert "arrays of more than 10 bytes" in seeding.problems[0]
    assert sorted(epochs_of(seeding, 1)[0]) == list(range(8))
