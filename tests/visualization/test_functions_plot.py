"""The picture of an activation."""

import pytest

from actsearch.activations import registry
from actsearch.activations.bound import bind
from actsearch.records import ExecutionRecord, Status, TrialRecord
from actsearch.visualization.functions_plot import plot_activation, trial_activation_figure


def trial(*bound, executions=()):
    """A trial with one activation for all sites, or one for each."""
    sites = {"": bound[0]} if len(bound) == 1 else {f"site {number}": each for number, each in enumerate(bound)}
    activations = {site: each.to_dict() for site, each in sites.items()}
    return TrialRecord("0", {}, "the label is not read", executions=executions, activations=activations)


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
    figure = trial_activation_figure(trial(bind("prelu"), executions=(done,)))
    at_minus_four = [line.get_ydata()[0] for line in figure.axes[0].lines[2:-1]]
    assert at_minus_four == pytest.approx([-0.4, -2.0, -1.0])
    assert "first: slope 0.25 → 0.1" in " ".join(labels(figure))


def test_a_trials_own_parameter_is_drawn():
    figure = trial_activation_figure(trial(bind("leaky_relu", slope=0.5)))
    assert figure.axes[0].lines[-2].get_ydata()[0] == pytest.approx(-2.0)


def test_another_layer_that_learns_is_no_site_of_the_activation():
    learned = {"a layer of the user's": {"slope": (0.25, 0.1, 0.0, 0.2)}}
    done = ExecutionRecord("0", 1, 7, 1, Status.COMPLETED, 0.0, 1.0, score=0.5, learned=learned)
    figure = trial_activation_figure(trial(bind("relu"), executions=(done,)))
    assert len(figure.axes[0].lines) == 4


def test_sites_that_have_the_same_one_have_one_picture():
    assert trial_activation_figure(trial(bind("elu", alpha=0.5), bind("elu", alpha=0.5))) is not None


def test_a_mixture_has_none():
    assert trial_activation_figure(trial(bind("elu"), bind("relu"))) is None
    assert trial_activation_figure(trial(bind("elu", alpha=2), bind("elu", alpha=1))) is None


@pytest.mark.parametrize(
    "activations",
    [
        {},  # a record without the field, or a build function that names no activation of the catalogue
        {"": {"name": "registered_in_another_process", "parameters": {}}},
        {"": {"name": "relu", "parameters": {"slope": 1.0}}},
    ],
)
def test_what_is_not_in_the_register_has_none(activations):
    assert trial_activation_figure(TrialRecord("0", {}, "relu", activations=activations)) is None
