"""The picture of an activation."""

import pytest

from actsearch.activations import registry
from actsearch.records import ExecutionRecord, Status, TrialRecord
from actsearch.visualization.functions_plot import plot_activation, trial_activation_figure


def labels(figure):
    return [text.get_text() for legend in (figure.legends or [figure.axes[0].get_legend()]) for text in legend.texts]


@pytest.mark.parametrize("name", registry.names())
def test_every_entry_has_one(name):
    figure = plot_activation(name)
    function, derivative = figure.axes[0].lines[-2:]
    assert abs(function.get_ydata() - registry.get(name)(function.get_xdata())).max() == 0
    assert derivative.get_linestyle() == "--"


def test_learned_parameters_are_drawn_at_each_site_before_and_after():
    learned = {"first": {"slope": (0.25, 0.1, 0.0, 0.2)}, "second": {"slope": (0.25, 0.5, 0.4, 0.6)}}
    done = ExecutionRecord("0", 1, 7, 1, Status.COMPLETED, 0.0, 1.0, score=0.5, learned=learned)
    figure = trial_activation_figure(TrialRecord("0", {"activation": "prelu"}, "prelu", executions=(done,)))
    at_minus_four = [line.get_ydata()[0] for line in figure.axes[0].lines[2:-1]]
    assert at_minus_four == pytest.approx([-0.4, -2.0, -1.0])
    assert "first: slope 0.25 → 0.1" in " ".join(labels(figure))


def test_a_trials_own_parameter_is_drawn():
    figure = trial_activation_figure(TrialRecord("0", {}, "leaky_relu(slope=0.5)"))
    assert figure.axes[0].lines[-2].get_ydata()[0] == pytest.approx(-2.0)


def test_another_layer_that_learns_is_no_site_of_the_activation():
    learned = {"a layer of the user's": {"slope": (0.25, 0.1, 0.0, 0.2)}}
    done = ExecutionRecord("0", 1, 7, 1, Status.COMPLETED, 0.0, 1.0, score=0.5, learned=learned)
    figure = trial_activation_figure(TrialRecord("0", {"activation": "relu"}, "relu", executions=(done,)))
    assert len(figure.axes[0].lines) == 4


@pytest.mark.parametrize("label", ["relu, elu", "elu(alpha=2), elu(alpha=1)", "unknown", "relu(slope=1)", ""])
def test_a_mixture_has_none(label):
    assert trial_activation_figure(TrialRecord("0", {}, label)) is None
