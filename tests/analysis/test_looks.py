import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special

from actsearch.analysis.looks import FIRST_LOOK, FIRST_SHARE, Looks, nominal_levels, spending

LOOKS = 20


def race(looks):
    return spending([Looks(looks, every=True)])


def first_crossings(draw, level, repetitions=60_000, table=None):
    """At which look each of many streams of differences is first called above zero."""
    d = draw(np.random.default_rng(7), (repetitions, LOOKS))
    n = np.arange(1, LOOKS + 1)
    mean = d.cumsum(1) / n
    variance = np.maximum((d**2).cumsum(1) - n * mean**2, 1e-300) / np.maximum(n - 1, 1)
    p = np.where(n > 1, special.stdtr(np.maximum(n - 1, 1), -mean / np.sqrt(variance / n)), 1.0)
    called = p <= (nominal_levels((level,), race(LOOKS))[1:, 0] if table is None else table)
    return np.where(called.any(1), called.argmax(1) + 1, LOOKS + 1)


@pytest.mark.parametrize("level", [0.05, 0.01])
def test_normal_streams_cross_exactly_as_often_as_is_spent(level):
    crossings = first_crossings(lambda rng, shape: rng.standard_normal(shape), level)
    for look in (6, 12, LOOKS):
        share, spent = (crossings <= look).mean(), level * FIRST_SHARE * (look / LOOKS) ** 2
        assert share == pytest.approx(spent, abs=4 * np.sqrt(spent / crossings.size))


def test_heavy_tails_cross_no_more_often():
    crossings = first_crossings(lambda rng, shape: rng.standard_t(3, shape), 0.05)
    assert (crossings <= LOOKS).mean() < 0.05


def test_no_finding_before_the_third_difference():
    table = nominal_levels((0.05, 0.01), race(10))
    assert not table[:FIRST_LOOK].any()
    assert (table[FIRST_LOOK:] > 0).all()
    assert nominal_levels((0.05,), race(2)).shape == (3, 1)
    assert not nominal_levels((0.05,), race(2)).any()


@settings(deadline=None, max_examples=40)
@given(st.floats(1e-4, 0.2), st.floats(1.0, 20.0), st.integers(FIRST_LOOK, 40))
def test_boundaries_are_nested_and_within_the_level(level, factor, looks):
    """What a smaller level rejects at a look, a larger level rejects there too: Holm over repeated looks needs it."""
    table = nominal_levels((level, level / factor), race(looks))
    assert (table[:, 1] <= table[:, 0] * (1 + 1e-9)).all()
    assert (table <= np.array([level, level / factor]) * 1.002).all()


def test_a_single_look_has_the_whole_share():
    table = nominal_levels((0.03,), spending([Looks(12)]))
    assert table[12, 0] == pytest.approx(0.03 * FIRST_SHARE, rel=5e-3)
    assert not table[:12].any()


def test_looks_after_extensions_spend_what_is_left_and_never_more_than_everything():
    spent = spending([Looks(3), Looks(6), Looks(12), Looks(24, every=True)])
    assert [round(spent[n], 4) for n in (2, 3, 5, 6, 12, 24)] == [0.0, 0.8, 0.8, 0.96, 0.992, 0.9984]
    assert list(spent) == sorted(spent)


def test_equal_streams_cross_at_the_looks_of_an_extended_search_no_more_often_than_the_level():
    plans = [Looks(3), Looks(6), Looks(12), Looks(LOOKS)]
    table = nominal_levels((0.05,), spending(plans))[1:, 0]
    crossings = first_crossings(lambda rng, shape: rng.standard_normal(shape), 0.05, table=table)
    assert (crossings <= LOOKS).mean() == pytest.approx(0.05 * 0.9984, abs=4 * np.sqrt(0.05 / crossings.size))


def test_the_table_cannot_be_changed():
    with pytest.raises(ValueError, match="read-only"):
        nominal_levels((0.05,), race(5))[0, 0] = 1.0
