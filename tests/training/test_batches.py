import itertools
import pickle

import pytest

from actsearch.errors import DataError, GeneratorEndedError, UsageError
from actsearch.training.batches import Batches, raw


def endless():
    for number in itertools.count():
        yield (number,)


def three():
    yield from [(0,), (1,), (2,)]


def take(batches, count):
    return [batch[0] for batch in itertools.islice(raw(batches), count)]


def test_a_shared_generator_is_read_on_and_its_first_batch_is_not_lost():
    batches = Batches(endless(), "x")
    assert batches.first() == (0,)
    assert take(batches, 2) == [0, 1]
    assert batches.first() == (0,)
    assert take(batches, 2) == [2, 3]


def test_a_function_makes_a_generator_for_each_execution():
    batches = Batches(endless, "x")
    assert batches.parts() == (0, None, None)
    assert [take(batches, 2), take(batches, 2)] == [[0, 1], [0, 1]]


@pytest.mark.parametrize("source", [three, three()], ids=["function", "generator"])
def test_a_generator_that_ends_too_early_is_reported(source):
    batches = Batches(source, "x")
    batches.first()
    take(batches, 9)
    batches.check_lasted(3)
    with pytest.raises(GeneratorEndedError, match="ended after 3 of the 4 batches"):
        batches.check_lasted(4)


def test_batches_are_tuples():
    with pytest.raises(DataError, match="yields list as its first batch"):
        Batches((batch for batch in [[1, 2]]), "x").first()
    with pytest.raises(DataError, match="returned int; expected a generator"):
        take(Batches(lambda: 3, "x"), 1)


def test_only_functions_are_sent_to_other_processes():
    assert take(pickle.loads(pickle.dumps(Batches(endless, "x"))), 1) == [0]
    with pytest.raises(UsageError, match="pass a function"):
        pickle.dumps(Batches(endless(), "x"))
