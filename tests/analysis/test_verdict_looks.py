"""What a verdict makes of several looks at a search."""

from dataclasses import replace

import numpy as np
import pytest

from actsearch.analysis.looks import keep_claim
from actsearch.analysis.results import Comparison, Outcome
from actsearch.analysis.statistics import Interval
from actsearch.analysis.verdict import verdict_of
from actsearch.records import Extension
from tests.helpers.factories import search, trial

RELU = [0.80013, 0.81007, 0.79031, 0.80511, 0.79523, 0.80041]
ELU = [0.81017, 0.80002, 0.81009, 0.80523, 0.80519, 0.78]
BETTER = 0.03 + np.array([0.001, -0.001, 0.0003])


def extended(selu, *, relu=RELU, elu=ELU):
    """A search of three executions each, extended to six for elu only; then for selu too if it has six."""
    made = [
        trial(str(i), name, list(s)) for i, (name, s) in enumerate({"relu": relu, "elu": elu, "selu": selu}.items())
    ]
    late = [
        replace(
            t,
            executions=tuple(
                replace(e, ended_at=e.execution + (10 if t.activation == "selu" and e.execution > 3 else 0.0))
                for e in t.executions
            ),
        )
        for t in made
    ]
    extensions = (Extension(3.5, 3, "fixed", 6, only=("elu",)), Extension(7.0, 6, "fixed", 6, only=("selu",)))
    twice = len(selu) > 3
    return replace(search(late), ends=(3.2, 6.2, 20.0)[: 2 + twice], extensions=extensions[: 1 + twice])


def first_look(record):
    trials = tuple(replace(t, executions=t.executions[:3]) for t in record.trials)
    return replace(record, trials=trials, ends=(3.2,), extensions=())


@pytest.mark.parametrize("scale", [0.2, 1.0, 2.0, 4.0])
def test_a_comparison_without_new_pairs_stays_as_it_was(scale):
    """The scores of the others change neither its level nor its spread: it has no second chance, and loses nothing."""
    record = extended([r + 0.03 + scale * b for r, b in zip(RELU, BETTER - 0.03, strict=False)])
    before, now = (verdict_of(r).of("2") for r in (first_look(record), record))
    assert (now.outcome, now.num_pairs) == (before.outcome, 3)
    assert now.interval == before.interval
    assert now.p_value <= before.p_value  # only the number of the others that are open may change


def test_what_was_claimed_at_a_look_stays_claimed():
    sure = [r + b for r, b in zip(RELU, BETTER, strict=False)]
    noise = [0.05, -0.03, 0.02]
    record = extended([*sure, *(r + n for r, n in zip(RELU[3:], noise, strict=True))])
    alone = verdict_of(replace(record, ends=(), extensions=())).of("2")
    assert alone.outcome is Outcome.UNDECIDED
    now = verdict_of(record).of("2")
    assert (now.outcome, now.num_pairs, now.reason) == (Outcome.BETTER, 6, "already shown over the first 3 executions")
    assert now.interval.low > 0
    assert now.p_value <= 0.05
    assert now.more_executions is None


def comparison(outcome, low, high, mean=0.15, **values):
    return Comparison("2", "selu", outcome, mean, Interval(low, high), num_pairs=6, **values)


B, E, W, U = Outcome.BETTER, Outcome.EQUIVALENT, Outcome.WORSE, Outcome.UNDECIDED


@pytest.mark.parametrize(
    ("before", "now", "kept"),
    [
        (comparison(B, 0.1, 0.4), comparison(U, -0.2, 0.3), (B, 0.1, 0.3)),
        (comparison(B, 0.1, 0.4), comparison(U, -0.2, 0.3, mean=0.05), (B, 0.05, 0.3)),
        (comparison(B, 0.1, 0.4), comparison(U, -0.4, 0.2, mean=-0.1), (U, -0.4, 0.2)),
        (comparison(B, 0.1, 0.4), comparison(U, -0.5, 0.05, mean=0.01), (U, -0.5, 0.05)),
        (comparison(B, 0.1, 0.4), comparison(W, -0.5, -0.1, mean=-0.3), (W, -0.5, -0.1)),
        (comparison(B, 0.1, 0.4), comparison(E, -0.1, 0.2), (E, -0.1, 0.2)),
        (comparison(E, -0.1, 0.2), comparison(B, 0.1, 0.4), (E, 0.1, 0.2)),
        (comparison(E, -0.1, 0.2), comparison(U, 0.0, 0.5, mean=0.25), (U, 0.0, 0.5)),
        (comparison(W, -0.4, -0.1), comparison(U, -0.3, 0.2, mean=-0.05, num_failed=1), (W, -0.3, -0.05)),
        (comparison(B, 0.1, 0.4), comparison(U, 0, 1, num_failed=1), (U, 0, 1)),
        (comparison(U, 0.1, 0.4), comparison(U, 0, 1), (U, 0, 1)),
    ],
)
def test_an_earlier_claim_is_kept_unless_what_came_later_contradicts_it(before, now, kept):
    found = keep_claim(now, before)
    assert (found.outcome, found.interval.low, found.interval.high) == kept
    assert keep_claim(now, None) is now


def test_without_new_pairs_what_is_open_stays_as_it_was_even_as_a_race():
    record = extended([r + noise for r, noise in zip(RELU, [0.02, -0.02, 0.01], strict=False)])
    added = (*record.extensions, Extension(7.0, 6, "race", max_executions=9, only=("elu",)))
    raced = replace(record, extensions=added, ends=(3.2, 6.2, 8.0))
    before, now = (verdict_of(r).of("2") for r in (record, raced))
    assert before.outcome is now.outcome is Outcome.UNDECIDED
    assert (now.interval, now.p_value) == (before.interval, before.p_value)


def test_a_claim_that_is_kept_twice_says_when_it_was_made():
    before = replace(comparison(B, 0.1, 0.4), num_pairs=3)
    once = keep_claim(comparison(U, -0.2, 0.3), before)
    twice = keep_claim(replace(comparison(U, -0.1, 0.35), num_pairs=12), once)
    assert (twice.reason, twice.num_pairs) == ("already shown over the first 3 executions", 12)
    assert twice.interval == Interval(0.1, 0.3)
