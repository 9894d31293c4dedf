import pytest

from actsearch.analysis.hyperparameters.importance import importance_of
from actsearch.analysis.verdict import verdict_of
from actsearch.visualization._style import NARROW, WIDE, style_of
from actsearch.visualization.figures import all_figures, captions_of
from actsearch.visualization.hyperparameters import plot_importance, plot_interaction
from tests.helpers.figures import cut_off, overlaps, words
from tests.helpers.joint import grid, joint_search


@pytest.fixture(scope="module")
def record():
    """A search in which activation and learning rate interact."""

    def score(values):
        slope = 30 if values["activation"] in ("relu", "elu") else -20
        return 0.8 + slope * (values["learning_rate"] - 0.001) + 0.03 * (values["units"] > 60)

    return joint_search(grid(), score, noise=0.005)


@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_they_are_among_the_figures_and_their_texts_fit(record, width):
    verdict = verdict_of(record)
    figures = all_figures(record, verdict, width=width)
    for name in ("importance", "interaction"):
        assert overlaps(figures[name]) == []
        assert cut_off(figures[name]) == []
        assert captions_of(record, verdict)[name].content


def test_bars_are_the_shares_and_lines_the_means(record):
    importance = importance_of(record, verdict_of(record))
    axes = plot_importance(importance).axes[0]
    widths = [bar.get_width() for bar in axes.patches]
    assert widths[0] == pytest.approx(100 * importance.seeds_share)
    assert widths[-1] == pytest.approx(100 * importance.shares[0].share)
    assert "seeds and splits" in words(plot_importance(importance))
    figure = plot_interaction(record, importance)
    (relu,) = [line for line in figure.axes[0].get_lines() if line.get_color() == style_of("relu").colour]
    assert relu.get_xdata().tolist() == [0.0003, 0.001, 0.003]
    assert relu.get_ydata().tolist() == list(importance.interactions[0].means["relu"])
    assert figure.axes[0].get_xscale() == "log"
    assert [label.get_text() for label in figure.axes[0].get_xticklabels()] == ["0.0003", "0.001", "0.003"]
    assert "selu and tanh are best at 0.0003" in captions_of(record, verdict_of(record))["interaction"].reading


def test_where_nothing_can_be_said_there_are_none():
    record = joint_search(grid()[:5], lambda _: 0.5, noise=0.01)
    verdict = verdict_of(record)
    assert not {"importance", "interaction"} & set(all_figures(record, verdict))
    refused = importance_of(record, verdict)
    assert "nothing to show" in words(plot_importance(refused))
    assert "nothing to show" in words(plot_interaction(record, refused))
