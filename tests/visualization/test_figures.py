import math
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.colors import to_hex

from actsearch.analysis.units import COST_UNITS
from actsearch.analysis.verdict import verdict_of
from actsearch.records import CostMeasurement
from actsearch.visualization._style import GREY, KNOWN, NARROW, WIDE, style_of
from actsearch.visualization.comparisons import plot_differences, plot_executions, plot_pareto
from actsearch.visualization.costs import plot_costs
from actsearch.visualization.curves import plot_curves
from actsearch.visualization.dead_units import diagnoses_of, health_map, plot_health, plot_health_map
from actsearch.visualization.figures import all_figures
from tests.helpers.factories import ACCURACY, LOSS, diagnosed, search, trial
from tests.helpers.figures import cut_off, overlaps, words

LONG = "a_very_long_name_of_an_activation_${}$_of_the_user"


def made(count, name="{}", seeds=4, sites=3):
    rng = np.random.default_rng(count)
    trials = []
    for i, known in enumerate(KNOWN[:count]):
        scores = (0.9 + 0.01 * rng.standard_normal(seeds)).tolist()
        one = trial(str(i), name.format(known) if i else known, scores, seconds=1.0 + i / 10)
        health = {f"block_{n}/{known}": (float(rng.beta(0.5, 2)), float(10 ** rng.normal())) for n in range(sites)}
        trials.append(diagnosed(one, health))
    return search(trials)


@pytest.mark.parametrize("count", [1, 2, 5, pytest.param(30, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", ["{}", LONG], ids=["short", "long"])
@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_no_text_covers_another_or_leaves_its_picture(count, name, width):
    record = made(count, name, sites=3 if name == "{}" else 40)
    for picture, figure in all_figures(record, verdict_of(record), width=width).items():
        assert overlaps(figure) == [], picture
        assert cut_off(figure) == [], picture
        assert figure.get_figwidth() == width


def test_labels_of_axes_have_units():
    record = made(5)
    pictures = all_figures(record, verdict_of(record))
    assert pictures["differences"].axes[0].get_xlabel() == "gain over relu in val accuracy (points)"
    assert pictures["executions"].axes[0].get_xlabel() == "val accuracy (larger is better)"
    assert pictures["pareto"].axes[0].get_xlabel() == "training time (s); less is better"
    assert pictures["pareto"].axes[0].get_ylabel() == "val accuracy (larger is better)"
    costs = [axes.get_xlabel().replace("\n", " ") for axes in pictures["costs"].axes]
    assert costs == ["training time (s)", "CPU time (s)"]
    assert "share of dead units" in words(pictures["health"])


def test_an_activation_has_one_colour_in_all_pictures():
    record = made(5)
    pictures = all_figures(record, verdict_of(record))
    for name in ("elu", "selu"):
        colour = style_of(name).colour
        for picture in ("differences", "executions", "curves", "pareto"):
            lines = pictures[picture].axes[0].get_lines()
            assert colour in {line.get_color() for line in lines}, (name, picture)
        bars = pictures["costs"].axes[0].patches
        assert colour.lower() in {to_hex(bar.get_facecolor()) for bar in bars}


def test_a_search_of_which_all_failed_has_no_pictures():
    record = search({"relu": [None]})
    assert all_figures(record, verdict_of(record)) == {}


@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_nothing_draws_too(width):
    record = search({"relu": [None]})
    verdict = verdict_of(record)
    assert "nothing to show" in words(plot_differences(verdict, width=width))
    assert "nothing to show" in words(plot_executions(record, verdict, width=width))
    assert "nothing to show" in words(plot_costs(record, verdict, width=width))
    for figure in (plot_curves(record, width=width), plot_pareto(record, verdict, width=width)):
        figure.canvas.draw()


def test_names_that_no_font_has_and_formulas_are_drawn_without_a_warning():
    names = ["活性化", "\N{ROCKET}\N{ROCKET}", "$x^2$ and $y", "a\x00b", "\\alpha", "_hidden", " "]
    record = search([trial(str(i), name, [0.9, 0.91, 0.93 + i / 1000]) for i, name in enumerate(["relu", *names])])
    for figure in all_figures(record, verdict_of(record)).values():
        figure.canvas.draw()
    legend = {text.get_text() for text in plot_curves(record).legends[0].get_texts()}
    assert {"▯▯▯", r"\$x^2\$ and \$y", "_hidden"} <= legend


def test_the_forest_shows_each_interval_its_outcome_and_the_margin():
    scores = {"relu": [0.9, 0.91, 0.92, 0.9], "elu": [0.95, 0.959, 0.97, 0.95], "selu": [0.5, 0.52, 0.52, 0.5]}
    verdict = verdict_of(search(scores))
    figure = plot_differences(verdict)
    axes = figure.axes[0]
    assert [t.get_text() for t in axes.get_yticklabels()] == ["selu", "elu"]
    assert "better, n=4" in words(figure)
    lines = [line.get_xdata() for line in axes.get_lines() if len(line.get_xdata()) == 2]
    selu = verdict.of("2")
    assert [100 * selu.interval.low, 100 * selu.interval.high] in [pytest.approx(line) for line in lines]


def test_the_forest_of_a_loss_has_the_better_ones_on_the_right_too():
    scores = {"relu": [0.5, 0.51, 0.52, 0.5], "elu": [0.3, 0.32, 0.31, 0.3]}
    axes = plot_differences(verdict_of(search(scores, objective=LOSS))).axes[0]
    (point,) = [line for line in axes.get_lines() if line.get_marker() == style_of("elu").marker]
    assert point.get_xdata()[0] == pytest.approx(0.2)
    assert axes.get_xlabel() == "gain over relu in val loss (+ is better)"


def test_an_interval_that_would_squeeze_the_others_ends_in_arrows():
    scores = {
        "relu": [0.90, 0.91, 0.92],
        "elu": [0.91, 0.92, 0.931],
        "selu": [0.92, 0.93, 0.942],
        "tanh": [0.1, 0.95, 0.5],
    }
    axes = plot_differences(verdict_of(search(scores))).axes[0]
    assert {"<", ">"} <= {line.get_marker() for line in axes.get_lines()}


def test_a_single_pair_has_a_point_and_no_interval():
    verdict = verdict_of(search({"relu": [0.9], "elu": [0.95]}))
    lines = [line for line in plot_differences(verdict).axes[0].get_lines() if line.get_marker() != "None"]
    assert [len(line.get_xdata()) for line in lines] == [1]


def test_all_executions_are_points():
    record = made(3, seeds=7)
    figure = plot_executions(record, verdict_of(record))
    points = [line for line in figure.axes[0].get_lines() if line.get_marker() != "None"]
    assert [len(line.get_xdata()) for line in points] == [7, 7, 7]


def test_of_many_trials_the_best_are_shown():
    record = search({f"f{n}": [n / 1000] for n in range(100)}, baseline="f0")
    names = [label.get_text() for label in plot_executions(record, verdict_of(record)).axes[0].get_yticklabels()]
    assert len(names) == 60
    assert names[-1] == "f99"


def test_curves_of_executions_that_stopped_early_are_means_of_those_that_go_on():
    (first,) = search({"relu": [0.9, 0.8]}).trials
    histories = ({"val_accuracy": (0.5, math.nan, 0.7)}, {"val_accuracy": (0.7, 0.8)})
    executions = tuple(replace(e, history=h) for e, h in zip(first.executions, histories, strict=True))
    record = search([replace(first, executions=executions)])
    (line,) = plot_curves(record).axes[0].get_lines()
    assert line.get_ydata() == pytest.approx([0.6, 0.8, 0.7])
    assert not plot_curves(record, "no_such_metric").axes[0].get_lines()


def test_curves_of_several_settings_are_those_of_the_best():
    lines = [trial("0", "relu", [0.5]), trial("1", "relu", [0.9]), trial("2", "elu", [0.7])]
    axes = plot_curves(search(lines, baseline=None)).axes[0]
    assert [line.get_ydata()[-1] for line in axes.get_lines()] == [0.9, 0.7]


def test_curves_are_gains_over_the_baseline_in_pairs():
    figure = plot_curves(search({"relu": [0.9, 0.8], "elu": [0.92, 0.86]}))
    zero, elu = figure.axes[0].get_lines()
    assert list(zero.get_ydata()) == [0, 0]
    assert elu.get_ydata() == pytest.approx([2.0, 4.0])  # points
    assert figure.axes[0].get_ylabel().replace("\n", " ") == "gain over relu in val accuracy (points)"
    losses = search({"relu": [0.9, 0.8], "elu": [0.7, 0.6]}, objective=replace(ACCURACY, direction=LOSS.direction))
    assert plot_curves(losses).axes[0].get_lines()[1].get_ydata()[-1] == pytest.approx(0.2)
    assert "minus that of relu" in plot_curves(losses, "loss").axes[0].get_ylabel().replace("\n", " ")


def test_beyond_the_baseline_and_the_best_seven_curves_are_grey():
    figure = plot_curves(made(12))
    colours = [line.get_color() for line in figure.axes[0].get_lines() if len(line.get_xdata())]
    assert colours.count(GREY) == 4
    assert len(set(colours)) == 9
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert len(names) == 9
    assert names[0] == "relu (0)"
    assert names[-1] == "4 others"


def test_a_trial_that_fails_to_learn_does_not_squeeze_the_others():
    scores = {name: [0.96 + n / 500, 0.961 + n / 500, 0.963 + n / 500] for n, name in enumerate(KNOWN[:6])}
    record = search(scores | {"tanh_shrink": [0.1, 0.1, 0.11]})
    verdict = verdict_of(record)
    for figure, name in ((plot_executions(record, verdict), "x"), (plot_pareto(record, verdict), "y")):
        low, high = getattr(figure.axes[0], f"get_{name}lim")()
        assert 0.94 < low < 0.96 < high < 1.0
        assert {line.get_marker() for line in figure.axes[0].get_lines()} & {"<", r"$\downarrow$"}
    forest = plot_differences(verdict)
    assert forest.axes[0].get_xlim()[0] > -20
    assert "worse, -85.8 points" in words(forest)
    assert "mean 0.1033" in words(plot_executions(record, verdict))


def test_the_narrow_costs_are_those_of_the_best_and_the_baseline():
    record = search({"relu": [0.1], **{f"f{n}": [n / 100 + 0.2] for n in range(20)}})
    narrow = plot_costs(record, verdict_of(record), width=NARROW)
    assert len(narrow.axes[0].patches) == 9


def test_scores_of_many_sizes_are_on_a_logarithmic_axis():
    record = search({"relu": [0.001, 0.002], "elu": [10.0, 20.0]}, objective=LOSS)
    assert plot_executions(record, verdict_of(record)).axes[0].get_xscale() == "log"
    record = made(2)
    assert plot_executions(record, verdict_of(record)).axes[0].get_xscale() == "linear"


@pytest.mark.parametrize("cost", COST_UNITS)
def test_each_cost_has_a_front(cost):
    record = made(5)
    verdict = verdict_of(record)
    figure = plot_pareto(record, verdict, cost)
    assert "less is better" in figure.axes[0].get_xlabel()
    assert len(figure.axes[0].get_lines()) == 8
    named = [text.get_text() for text in figure.axes[0].texts]
    front = [record.trials[int(t)].activation for t in verdict.fronts[cost]]
    assert named == list(dict.fromkeys(["relu", *front]))


@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_what_all_are_compared_with_is_never_beyond_the_scale(width):
    scores = {name: [0.96 + n / 500, 0.961 + n / 500, 0.963 + n / 500] for n, name in enumerate(KNOWN[1:7])}
    record = search({"relu": [0.1, 0.1, 0.11]} | scores)
    figure = plot_pareto(record, verdict_of(record), width=width)
    (relu,) = [line for line in figure.axes[0].get_lines() if line.get_marker() == style_of("relu").marker]
    (low, high), y = figure.axes[0].get_ylim(), relu.get_ydata()[0]
    assert low < y < high
    assert y == pytest.approx(0.31 / 3)
    assert "relu" in [text.get_text() for text in figure.axes[0].texts]


def test_costs_agree_with_their_multiples():
    record = search({"relu": [0.9, 0.91, 0.92], "elu": [0.9, 0.92, 0.93]}, seconds={"relu": 2.0, "elu": 3.0})
    times = {"0": tuple(4.0 + n / 100 for n in range(9)), "1": tuple(2.0 + n / 200 for n in range(9))}
    record = replace(record, measurements=(CostMeasurement(1.0, 1.0, times, times, times),))
    verdict = verdict_of(record)
    relu, elu = record.trials
    assert verdict.of("1").cost_ratios["train_seconds"].estimate == pytest.approx(0.5)
    assert verdict.cost_of(elu, relu, "train_seconds") == pytest.approx(1.0)
    assert verdict.cost_of(relu, relu, "train_seconds") == 2.0
    partly = replace(verdict, scores={**verdict.scores, "a configuration that was not compared": {1: 0.9}})
    assert partly.cost_of(elu, relu, "train_seconds") == 3.0
    axes = plot_costs(record, verdict).axes[0]
    assert sorted(bar.get_width() for bar in axes.patches) == [pytest.approx(1.0), 2.0]
    (point,) = [line for line in plot_pareto(record, verdict).axes[0].get_lines() if line.get_marker() == "P"]
    assert point.get_xdata()[0] == pytest.approx(1.0)


def test_costs_are_bars_with_their_values_and_the_baseline_as_a_line():
    record = search({"relu": [0.9, 0.91], "elu": [0.92, 0.93]}, seconds={"elu": 2.0})
    axes = plot_costs(record, verdict_of(record)).axes[0]
    assert [bar.get_width() for bar in axes.patches] == [1.0, 2.0]
    assert [text.get_text() for text in axes.texts] == ["1", "2"]
    assert [1.0, 1.0] in [list(line.get_xdata()) for line in axes.get_lines()]


def test_the_health_map_has_a_row_a_trial_and_a_column_a_site():
    one = diagnosed(trial("0", "relu", [0.9]), {"relu": (0.25, 0.1), "relu_1": (1.0, 10.0)})
    two = diagnosed(trial("1", "elu", [0.95]), {"elu": (0.0, 3.0), "elu_1": (0.0, None), "elu_2": (0.0, 3.0)})
    health = health_map(search([one, two, trial("2", "tanh", [0.9])]))
    assert health.names == ("elu", "relu")
    assert health.sites == ("1", "2", "3")
    np.testing.assert_allclose(health.dead, [[0, 0, 0], [0.25, 1, np.nan]])
    np.testing.assert_allclose(health.gradient, [[1, np.nan, 1], [0.01, 1, np.nan]])
    shown = words(plot_health_map(health))
    assert {"25%", "100%", "0.01", "–"} <= set(shown)


def test_sites_that_are_called_the_same_keep_their_names():
    sites = {"conv1": (0.0, 1.0), "conv2": (0.1, 1.0)}
    trials = [diagnosed(trial(str(i), name, [0.9]), sites) for i, name in enumerate(["relu", "elu"])]
    assert health_map(search(trials)).sites == ("conv1", "conv2")


def test_without_a_diagnosis_there_is_no_health():
    assert health_map(search({"relu": [0.9], "elu": [None]})) is None


def test_the_health_of_a_trial_is_shares_by_site_and_epoch():
    one = diagnosed(trial("0", "relu", [0.9]), {"relu": (0.25, 0.1), LONG: (1.0, None)})
    figure = plot_health(diagnoses_of(one))
    assert overlaps(figure) == []
    assert {"dead units", "saturated units", "zero outputs", "25%"} <= set(words(figure))


def test_axes_name_the_scores_that_were_judged():
    record = search(
        [
            trial("0", "relu", [0.9, 0.8, 0.7], test_scores=[0.6, 0.5, 0.7]),
            trial("1", "elu", [0.8] * 3, test_scores=[0.4] * 3),
        ]
    )
    pictures = all_figures(record, verdict_of(record))
    assert pictures["differences"].axes[0].get_xlabel() == "gain over relu in test accuracy (points)"
    assert pictures["pareto"].axes[0].get_ylabel() == "test accuracy (larger is better)"
    executions = pictures["executions"].axes[0]
    assert executions.get_xlabel() == "test accuracy (larger is better)"
    assert [label.get_text() for label in executions.get_yticklabels()] == ["elu", "relu"]
    points = [line.get_xdata() for line in executions.get_lines() if line.get_marker() != "None"]
    assert points == [pytest.approx([0.4] * 3), pytest.approx([0.6, 0.5, 0.7])]
    costs = pictures["costs"].axes[0]
    assert [label.get_text() for label in costs.get_yticklabels()] == ["elu", "relu"]
    assert pictures["curves"].axes[0].get_ylabel().replace("\n", " ") == "gain over relu in val accuracy (points)"
