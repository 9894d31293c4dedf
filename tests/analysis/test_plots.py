from dataclasses import replace

import numpy as np
import pytest
from making import search, trial

from actsearch.analysis.plots import PRICE_UNITS, plot_curves, plot_differences, plot_executions, plot_pareto
from actsearch.analysis.styles import KNOWN, style_of
from actsearch.analysis.verdict import judge


def made(count, name="{}", seeds=4):
    rng = np.random.default_rng(count)
    trials = []
    for i, known in enumerate(KNOWN[:count]):
        scores = (0.9 + 0.01 * rng.standard_normal(seeds)).tolist()
        trials.append(trial(str(i), name.format(known) if i else known, scores, seconds=1.0 + i / 10))
    return search(trials)


def words(figure):
    figure.canvas.draw()
    return [text.get_text() for axes in figure.axes for text in axes.get_yticklabels() + axes.texts]


@pytest.mark.parametrize("count", [1, 2, 5, 30])
@pytest.mark.parametrize("name", ["{}", "a_very_long_name_of_an_activation_${}$_of_the_user"])
def test_every_picture_draws(count, name):
    record = made(count, name)
    verdict = judge(record)
    figures = [plot_differences(verdict), plot_executions(record), plot_curves(record), plot_pareto(record, verdict)]
    for figure in figures:
        figure.canvas.draw()
        assert figure.axes[0].get_xlabel()
    assert len(figures[0].axes[0].get_yticks()) == count - 1
    assert len(figures[1].axes[0].get_yticks()) == count
    assert len(figures[2].axes[0].get_lines()) == count


def test_nothing_draws_too():
    record = search({"relu": [None]})
    verdict = judge(record)
    assert "nothing to show" in words(plot_differences(verdict))
    assert "nothing to show" in words(plot_executions(record))
    for figure in (plot_curves(record), plot_pareto(record, verdict)):
        figure.canvas.draw()


def test_the_forest_shows_each_interval_its_outcome_and_the_margin():
    scores = {"relu": [0.9, 0.91, 0.92, 0.9], "elu": [0.95, 0.959, 0.97, 0.95], "selu": [0.5, 0.52, 0.52, 0.5]}
    verdict = judge(search(scores))
    figure = plot_differences(verdict)
    axes = figure.axes[0]
    assert [t.get_text() for t in axes.get_yticklabels()] == ["selu", "elu"]
    assert "better, n=4" in words(figure)
    lines = [line.get_xdata() for line in axes.get_lines()]
    selu = verdict.of("2")
    assert lines[0] == pytest.approx([100 * selu.interval.low, 100 * selu.interval.high])
    assert axes.get_xlabel() == "val accuracy, difference from relu (points)"


def test_a_single_pair_has_a_point_and_no_interval():
    verdict = judge(search({"relu": [0.9], "elu": [0.95]}))
    figure = plot_differences(verdict)
    figure.canvas.draw()
    assert [len(line.get_xdata()) for line in figure.axes[0].get_lines()] == [1, 2]


def test_all_executions_are_points():
    figure = plot_executions(made(3, seeds=7))
    points = [line for line in figure.axes[0].get_lines() if line.get_marker() != "None"]
    assert [len(line.get_xdata()) for line in points] == [7, 7, 7]


def test_curves_of_executions_that_stopped_early():
    record = made(2)
    first = record.trials[0]
    short = replace(first.executions[0], history={"val_accuracy": (0.5, 0.6, 0.7)})
    record = replace(record, trials=(replace(first, executions=(short, *first.executions[1:])), record.trials[1]))
    longest = max(len(line.get_xdata()) for line in plot_curves(record).axes[0].get_lines())
    assert longest == 3
    assert not plot_curves(record, "no_such_metric").axes[0].get_lines()


@pytest.mark.parametrize("price", PRICE_UNITS)
def test_each_price_has_a_front(price):
    record = made(5)
    verdict = judge(record)
    figure = plot_pareto(record, verdict, price)
    assert "less is better" in figure.axes[0].get_xlabel()
    assert len(figure.axes[0].get_lines()) == 6
    front = [text.get_text() for text in figure.axes[0].texts]
    assert front == [record.trials[int(t)].activation for t in verdict.fronts[price]]


def test_each_activation_of_the_catalogue_has_its_own_style():
    styles = {style_of(name) for name in KNOWN}
    assert len(styles) == len(KNOWN)
    assert style_of("my_function") == style_of("my_function")
    assert style_of("my_function") not in styles
