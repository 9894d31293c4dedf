"""The text of a search at the widths of terminals: names are whole, lines fit, columns fall away."""

import random

import pytest

from actsearch.analysis.verdict import verdict_of
from actsearch.reports.text import MARKS, text_leaderboard, text_report
from tests.helpers.factories import LOSS, search, trial

WIDTHS = (60, 80, 100, 160)
FIVE = ("relu", "leaky_relu", "prelu", "elu", "selu")
MANY = (*FIVE, *(f"parametric_activation_{number}" for number in range(17)))
SITES = (
    "relu",
    "relu→selu→relu",
    "selu→relu→parametric_selu→hard_silu",
    "elu→relu→elu→relu→elu→relu→elu→relu→elu→selu",
)


def scores_of(names, *, seed=0, executions=5, spread=0.01):
    rng = random.Random(seed)
    shared = [rng.gauss(0.9, spread) for _ in range(executions)]
    return {name: [score + rng.gauss(0, spread) for score in shared] for name in names}


def several_configurations():
    made = []
    for number, rate in enumerate((0.001, 0.01)):
        for name in ("relu", "selu"):
            values = {"activation": name, "learning_rate": rate, "units_of_the_first_layer": 64 * (number + 1)}
            made.append(trial(f"{len(made)}", name, [0.9 + len(made) / 100] * 3, hyperparameters=values))
    return made


SEARCHES = {
    "5": scores_of(FIVE),
    "22": scores_of(MANY),
    "per layer": scores_of(SITES),
    "configurations": several_configurations(),
    "one execution": scores_of(FIVE, executions=1),
    "failed": {"relu": [0.9, 0.8], "elu": [None, None], "selu": [0.9, None]},
    "nothing": {"relu": [None], "elu": [None]},
}


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", SEARCHES)
def test_lines_fit_and_no_name_or_word_is_cut(name, width):
    record = search(SEARCHES[name])
    lines = text_report(record, verdict_of(record), width=width).splitlines()
    assert max(map(len, lines)) <= width
    for made in record.trials:
        parts = made.activation.split(", ")
        assert all(any(part in line for line in lines) for part in parts), made.activation
    assert "…" not in "".join(lines) or name == "configurations"


@pytest.mark.parametrize("width", WIDTHS)
def test_each_trial_has_one_line_where_its_name_leaves_room(width):
    record = search(scores_of(MANY))
    text = text_leaderboard(record, verdict_of(record), width=width)
    rows = [line for line in text.splitlines() if line[:2] in {f"{mark} " for mark in MARKS.values()} and "[" in line]
    assert len(rows) == len(MANY) - 1


def test_columns_fall_away_by_their_importance():
    record = search(scores_of(FIVE))
    verdict = verdict_of(record)
    headers = {w: text_leaderboard(record, verdict, width=w).splitlines() for w in (50, 60, 80, 160)}
    found = {w: next(line for line in lines if "activation" in line).split() for w, lines in headers.items()}
    assert found[50] == ["activation", "gain", "interval"]
    assert found[60] == ["activation", "gain", "interval", "0", "time"]
    assert found[80][:6] == ["activation", "gain", "interval", "0", "score", "time"]
    assert {"sd", "CPU", "memory", "parameters"} < set(found[160])


def test_the_whole_text_at_80_columns():
    scores = {"relu": [0.90, 0.91, 0.92], "selu": [0.95, 0.96, 0.96], "tanh": [0.7, 0.75, 0.7], "elu": [None] * 3}
    record = search(scores)
    assert text_report(record, verdict_of(record), width=80) == WHOLE


WHOLE = """\
Keep relu for now; elu failed: loss is nan (3 of 3).
Most promising: selu, +4.7 points of val accuracy [-0.3, 9.6] (95% confidence, 3
executions each), same time; about 2 more executions would settle it.

Val accuracy; gain over relu (points); n = 3
time: multiples of relu's (time 1 s)
  activation   gain       interval                0       score  time
? selu         +4.7  [ -0.3,  9.6]                ┼─●──  0.9567  1.00
○ relu                                            │      0.9100  1.00
▼ tanh        -19.3  [-34.5, -4.2]  ──────●────── │      0.7167  1.00
✗ elu
▼ worse  ? undecided  ✗ failed  ○ baseline
elu, executions 1-3 failed: loss is nan"""


def test_of_a_loss_gains_have_enough_digits_and_scores_the_same_number():
    record = search({"relu": [0.0050, 0.0052, 0.0051], "elu": [0.0040, 0.0043, 0.0041]}, objective=LOSS)
    text = text_leaderboard(record, verdict_of(record), width=100)
    assert "Val loss; gain over relu (+ is better); n = 3" in text
    assert "+0.000967" in text
    assert "0.00413" in text
    assert "0.00510" in text


def test_a_gain_that_is_rounded_to_nothing_has_no_minus():
    record = search({"relu": [0.9, 0.8, 0.7], "elu": [0.7, 0.8, 0.9 - 1e-12]})
    text = text_report(record, verdict_of(record), width=100)
    assert "+0.00 points" in text
    assert " +0.0 " in text
    assert "-0.0" not in text.replace("-0.00000", "")


def test_different_numbers_of_executions_are_a_column():
    record = search({"relu": [0.9, 0.91, 0.92], "elu": [0.95, 0.94, 0.93], "selu": [0.9, None, 0.92]})
    text = text_leaderboard(record, verdict_of(record), width=120)
    assert "n = " not in text
    assert " n " in text.splitlines()[1]


def test_an_interval_that_would_squeeze_the_others_is_cut_with_an_arrow():
    scores = scores_of(FIVE, executions=4, spread=0.002) | {"rrelu": [0.2, 0.9, 0.1, 0.9]}
    record = search(scores)
    text = text_leaderboard(record, verdict_of(record), width=100)
    wild = next(line for line in text.splitlines() if "rrelu" in line)
    assert "◂" in wild
    assert sum("●" in line for line in text.splitlines()) >= len(FIVE) - 1


def test_only_the_trial_that_all_are_compared_with_has_costs_of_one():
    made = []
    for number, (units, seconds) in enumerate([(32, 1.0), (256, 7.0)]):
        for name in ("relu", "elu"):
            values = {"activation": name, "units": units}
            scores = [0.90 + number / 50, 0.91 + number / 50, 0.92 + number / 50]
            made.append(trial(str(len(made)), name, scores, hyperparameters=values, seconds=seconds))
    record = search(made)
    verdict = verdict_of(record)
    lines = text_leaderboard(record, verdict, width=160).splitlines()
    place = next(line for line in lines if "activation" in line).index("time")
    times = {line[2:].split(")")[0]: line[place : place + 4].strip() for line in lines if "(units" in line}
    reference = next(t for t in made if t.trial_id == verdict.reference)
    assert times[f"relu (units={reference.hyperparameters['units']}"] == "1.00"
    assert sorted(time for name, time in times.items() if name.startswith("relu")) == ["", "1.00"]


def test_without_a_baseline_costs_are_multiples_of_the_leaders():
    record = search({"elu": [0.9, 0.91, 0.92], "selu": [0.8, 0.81, 0.83]}, baseline=None)
    text = text_leaderboard(record, verdict_of(record), width=100)
    assert "time, CPU, memory, parameters: multiples of elu's (time 1 s)" in text


def test_very_small_losses_and_those_of_very_different_sizes_are_not_rounded_to_nothing():
    tiny = search({"relu": [2.1e-8, 2.0e-8, 2.2e-8], "elu": [1.1e-8, 1.0e-8, 1.2e-8]}, objective=LOSS)
    assert "+1e-08" in text_leaderboard(tiny, verdict_of(tiny), width=100)
    mixed = search({"relu": [0.5, 0.52, 0.51], "elu": [0.4, 0.41, 0.42], "tanh": [1e6, 2e6, 3e6]}, objective=LOSS)
    assert "+0.1 " in text_leaderboard(mixed, verdict_of(mixed), width=100)
