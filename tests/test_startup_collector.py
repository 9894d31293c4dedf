"""The garbage collector rests while packages are imported, and is then as it was."""

import gc
import weakref

import pytest

from actsearch._startup import exempt_imports, resting


@pytest.fixture(autouse=True)
def _as_it_was():
    yield
    gc.enable()
    gc.unfreeze()


class Knot:
    """Garbage that only the collector finds."""

    def __init__(self) -> None:
        self.itself = self


def test_nothing_is_collected_in_the_block_and_all_of_it_later():
    with resting():
        knot = weakref.ref(Knot())
        for _ in range(10_000):
            Knot()
        assert knot() is not None
    assert gc.isenabled()
    gc.collect()
    assert knot() is None


def test_what_was_made_counts_as_old():
    with resting():
        made = [Knot() for _ in range(1000)]
    young = {id(each) for each in gc.get_objects(generation=0)} | {id(each) for each in gc.get_objects(generation=1)}
    assert not young & {id(each) for each in made}


def test_it_works_again_after_an_error_and_inside_another():
    with pytest.raises(ZeroDivisionError), resting():
        with resting():
            pass
        assert not gc.isenabled()
        _ = 1 / 0
    assert gc.isenabled()


def test_a_collector_that_is_off_stays_off():
    gc.disable()
    with resting():
        pass
    assert not gc.isenabled()


def test_what_is_frozen_stays_frozen():
    gc.freeze()
    count = gc.get_freeze_count()
    with resting():
        pass
    assert gc.get_freeze_count() >= count - 5  # some may have died


def test_what_is_exempt_is_not_looked_at_again():
    made = [Knot() for _ in range(1000)]
    exempt_imports()
    seen = {id(each) for each in gc.get_objects()}
    assert not seen & {id(each) for each in made}
