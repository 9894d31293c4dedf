import json
import math
from dataclasses import replace

import pytest

from actsearch.analysis.results import Outcome
from actsearch.analysis.verdict import verdict_of
from actsearch.config import SearchConfig
from actsearch.reports.leaderboard import failures_of, headers_of, leaderboard_rows
from tests.helpers.factories import LOSS, search, trial

SCORES = {"relu": [0.90, 0.92, 0.91], "elu": [0.95, 0.95, 0.96], "tanh": [None, None, None], "gelu": [0.9, None, 0.9]}
MANY = {"relu": [0.9 + n / 1000 for n in range(12)], "selu": [0.93 + n / 999 for n in range(12)]}


def rows_of(record):
    return leaderboard_rows(record, verdict_of(record))


def headers(record):
    return headers_of(record, verdict_of(record))


def texts(row):
    return list(map(str, row.cells))


def test_the_best_first_and_the_failed_last_with_their_reason():
    elu, relu, gelu, tanh = rows_of(search(SCORES))
    assert [row.label for row in (elu, relu, gelu, tanh)] == ["elu", "relu", "gelu", "tanh"]
    assert texts(elu)[2] == "0.9533 ± 0.0058 (n=3)"
    assert texts(elu)[3].startswith("+4.3 points [")
    assert texts(elu)[4:7] == ["1 (1.00×)", "2 (1.00×)", "3 (1.00×)"]
    assert (relu.outcome, relu.gain, texts(relu)[3]) == ("baseline", None, "–")
    assert (gelu.outcome, gelu.reason, gelu.num_failed) == ("undecided", "1 of 3 executions failed", 1)
    assert (tanh.outcome, tanh.reason, texts(tanh)[1]) == ("failed", "loss is nan", "failed (loss is nan)")
    assert {len(row.cells) for row in (elu, relu, gelu, tanh)} == {len(headers(search(SCORES)))}


def test_the_gain_is_that_of_the_verdict_with_its_interval():
    record = search(MANY)
    (comparison,) = verdict_of(record).comparisons
    selu = rows_of(record)[0]
    assert (selu.outcome, selu.gain, selu.interval) == ("better", comparison.difference, comparison.interval)
    assert (selu.p_value, selu.num_pairs) == (comparison.p_value, 12)
    assert texts(selu)[3] == f"+3.0 points [2.9, 3.1] (12 pairs, p {selu.p_value:.2g})"


def test_costs_have_an_interval_only_where_it_says_something():
    def time_of(seconds):
        first, elu = trial("0", "relu", [0.9] * len(seconds)), trial("1", "elu", [0.95] * len(seconds))
        own = [
            replace(e, resources=replace(e.resources, train_seconds=s))
            for e, s in zip(elu.executions, seconds, strict=True)
        ]
        return rows_of(search([first, replace(elu, executions=tuple(own))]))[0]

    assert texts(time_of([1.0, 1.1]))[4] == "1.05 (1.05×)"
    assert texts(time_of([1.0, 1.1, 1.2]))[4] == "1.1 (1.10× [0.87, 1.38])"
    assert texts(time_of([1.0, 90.0, 2.0]))[4] == "31 (cost not settled)"
    assert time_of([1.0, 1.1, 1.2]).plain()["train_seconds_ratio_low"] == pytest.approx(0.87, abs=0.01)
    assert time_of([1.0, 90.0, 2.0]).plain()["train_seconds_ratio_low"] is None


def test_a_cost_that_no_trial_has_is_no_column():
    made = [trial(name, name, scores) for name, scores in MANY.items()]
    bare = [
        replace(
            t, executions=tuple(replace(e, resources=replace(e.resources, peak_rss_bytes=None)) for e in t.executions)
        )
        for t in made
    ]
    assert headers(search(made))[-1] == "peak memory of the process (MiB)"
    assert headers(search(bare))[-1] == "CPU time (s)"


def test_what_would_settle_it_is_said_in_one_way():
    record = search({"relu": [0.9, 0.91, 0.92, 0.93], "elu": [0.9, 0.93, 0.92, 0.96]})
    row = next(row for row in rows_of(record) if row.activation == "elu")
    assert row.more_executions is not None
    words = f"about {row.more_executions} more executions would settle it"
    assert texts(row)[1] == f"undecided ({words})"
    assert words in str(verdict_of(record))


def test_where_data_are_the_limit_the_row_says_so():
    record = search({"relu": [0.9, 0.91, 0.92], "elu": [0.9, 0.93, 0.92]})
    verdict = verdict_of(record)
    (elu,) = verdict.comparisons
    few = replace(elu, reason="", more_executions=None, num_samples=114, samples_needed=873)
    row = next(r for r in leaderboard_rows(record, replace(verdict, comparisons=(few,))) if r.activation == "elu")
    said = "about 880 samples would settle it (there are 114); more executions would not"
    assert texts(row)[1] == f"undecided ({said})"
    assert row.plain()["samples_needed"] == 873


def test_a_pair_has_no_interval_that_means_something():
    elu = rows_of(search({"relu": [0.9], "elu": [0.95]}))[0]
    assert texts(elu)[3] == "+5.0 points (1 pair)"
    assert math.isinf(elu.interval.high)
    assert elu.plain()["gain_high"] is None


def test_the_source_of_the_gain_and_the_reference_are_named():
    validated = headers(search(SCORES))
    assert validated[2:4] == ("val accuracy", "gain over relu in val accuracy (points)")
    tested = search([trial(n, n, s, test_scores=s) for n, s in MANY.items()])
    assert headers(tested)[2:4] == ("test accuracy", "gain over relu in test accuracy (points)")
    of_loss = headers(search(MANY, objective=LOSS, baseline=None))
    assert of_loss[3] == "gain over relu in val loss (+ is better)"


def test_rows_have_the_judged_score_and_are_sorted_by_it():
    made = [
        trial("0", "relu", [0.9, 0.8, 0.7], test_scores=[0.6, 0.5, 0.7]),
        trial("1", "elu", [0.8, 0.8, 0.8], test_scores=[0.9, 0.9, 0.9]),
        trial("2", "selu", [None] * 3),
        trial("3", "tanh", [0.95, 0.95, 0.95], test_scores=[0.4, 0.4, 0.4]),
    ]
    rows = rows_of(search(made))
    assert [row.label for row in rows] == ["elu", "relu", "tanh", "selu"]
    assert [row.score for row in rows] == [pytest.approx(0.9), pytest.approx(0.6), pytest.approx(0.4), None]
    assert [row.objective_mean for row in rows[:3]] == [pytest.approx(0.8), pytest.approx(0.8), pytest.approx(0.95)]
    assert {row.score_name for row in rows} == {"test accuracy"}
    assert texts(rows[1])[2] == "0.6000 ± 0.1000 (n=3)"


def test_of_a_loss_the_smallest_is_first_and_its_gain_is_positive():
    elu, relu = rows_of(search({"relu": [0.5, 0.51, 0.52], "elu": [0.3, 0.32, 0.31]}, objective=LOSS))
    assert (elu.label, relu.label) == ("elu", "relu")
    assert elu.gain == pytest.approx(0.2)
    assert texts(elu)[3].startswith("+0.2 [0.1")


def test_scores_are_those_of_the_seeds_that_the_verdict_uses():
    made = [trial("0", "relu", [0.9, 0.8]), trial("1", "elu", [0.7])]
    relu, elu = rows_of(search(made))
    assert (relu.score, relu.num_scores, relu.num_executions) == (0.9, 1, 2)
    assert elu.score == 0.7


def test_before_a_seed_is_complete_scores_are_those_so_far():
    made = [trial("0", "relu", [0.9]), trial("1", "elu", [])]
    record = search(made, config=SearchConfig(allocation="race"))
    relu, elu = rows_of(record)
    assert (relu.label, relu.num_scores, elu.score) == ("relu", 1, None)


def test_configurations_that_differ_are_named_and_those_not_chosen_have_no_outcome():
    made = [
        trial("0", "relu", [0.9] * 3, hyperparameters={"activation": "relu", "lr": 0.0123456, "units": 8}),
        trial("1", "relu", [0.8] * 3, hyperparameters={"activation": "relu", "lr": 0.1, "units": 8}),
        trial("2", "elu", [], hyperparameters={"activation": "elu", "lr": 0.1, "units": 8}),
    ]
    rows = rows_of(search(made))
    assert [row.label for row in rows] == ["relu (lr=0.0123)", "relu (lr=0.1)", "elu"]
    assert rows[2].outcome == "not run"
    skipped = replace(made[2], skipped=True, screening={"reason": "dead"})
    assert texts(rows_of(search([*made[:2], skipped]))[2])[1] == "skipped (dead)"


def test_plain_data_is_json_and_has_what_the_row_has():
    for record in (search(SCORES), search(MANY, objective=LOSS), search({})):
        for row in rows_of(record):
            plain = row.plain()
            assert json.loads(json.dumps(plain, allow_nan=False)) == plain
            assert plain["verdict"] == (row.outcome or None)
            assert plain["train_seconds"] == row.costs.get("train_seconds")


def test_long_reasons_are_cut_and_failures_are_listed_by_reason():
    record = search({"relu": [None, None]})
    (made,) = record.trials
    long = replace(made, executions=(replace(made.executions[0], reason="x" * 500), made.executions[1]))
    record = replace(record, trials=(long,))
    assert len(texts(rows_of(record)[0])[1]) < 100
    assert [(f.executions, len(f.reason)) for f in failures_of(record)] == [("execution 1", 500), ("execution 2", 11)]
    assert str(list(failures_of(record))[1]) == "relu, execution 2 failed: loss is nan"


def test_every_outcome_of_a_comparison_can_be_sorted():
    from actsearch.reports.leaderboard import _ORDER

    assert {str(outcome) for outcome in Outcome} < set(_ORDER)
