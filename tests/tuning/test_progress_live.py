"""The live view in a terminal and in a notebook."""

import io
import sys
from dataclasses import replace
from types import SimpleNamespace

import pytest
from rich.console import Console

from actsearch.reports.standings import MOST_SHOWN
from actsearch.tuning.progress import Live, NotebookView, reporter_for
from tests.helpers.factories import LOSS, search


def live_text(live):
    """What the live view shows now, without colours."""
    console = Console(file=io.StringIO(), width=100)
    console.print(live._view())
    return console.file.getvalue()


def test_the_live_view_has_the_best_trials_the_baseline_and_what_trains():
    names = [f"a{number}" for number in range(9)]
    record = search({name: [0.6 + n / 100, 0.7] for n, name in enumerate(names)} | {"relu": [0.5, 0.6]})
    live = Live(io.StringIO())
    live.begin(record, "found")
    try:
        for made in record.trials:
            live.started(made, 1)
            live.execution(made, made.executions[0])
        live.started(record.trials[0], 2)
        text = live_text(live)
    finally:
        live.end()
    lines = text.splitlines()
    assert "val accuracy" in lines[0]
    assert "gain over relu" in lines[0]
    assert len(lines) == 1 + MOST_SHOWN + 1 + 2
    assert lines[1].startswith("a8 ")
    assert lines[1].split()[2:5] == ["0.6900", "+14.0", "points"]
    assert lines[MOST_SHOWN].startswith("relu ")
    assert "… and 2 more" in text
    assert "training a0 (2)" in text


def test_the_live_view_shows_what_was_recorded_before_and_names_as_they_are():
    record = replace(search({"my[/x]": [0.5], "elu": [0.7]}), baseline="my[/x]")
    live = Live(io.StringIO())
    live.begin(record, "found")
    try:
        live.recorded(record.trials[0])
        live.execution(record.trials[1], record.trials[1].executions[0])
        text = live_text(live)
    finally:
        live.end()
    assert "gain over my[/x]" in text
    assert "+20.0 points" in text


def test_the_live_view_counts_failures_and_shows_losses_with_the_better_ones_on_top():
    record = search({"relu": [0.5], "elu": [0.7], "selu": [None]}, objective=LOSS)
    live = Live(io.StringIO())
    live.begin(record, "found")
    try:
        for made in record.trials:
            live.execution(made, made.executions[0])
        text = live_text(live)
    finally:
        live.end()
    assert text.index("relu ") < text.index("elu  ")
    assert "-0.2 " in text
    assert "1 executions failed" not in text
    assert "1 execution failed" in text


@pytest.fixture
def notebook(monkeypatch):
    """What a notebook's cell has shown, the latest last."""
    shown = []
    handle = SimpleNamespace(update=shown.append)
    display = SimpleNamespace(HTML=str, display=lambda page, display_id: shown.append(page) or handle)
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: SimpleNamespace(kernel="kernel")))
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    return shown


def test_a_notebook_shows_the_same_table_in_place(notebook):
    record = search({"relu": [0.5], "<b>elu": [0.7], "selu": [None]})
    view = reporter_for(1)
    assert isinstance(view, NotebookView)
    view.message("30 samples")
    view.begin(record, "found")
    view.plan(3, 3)
    for made in record.trials:
        view.started(made, 1)
        view.execution(made, made.executions[0])
    view.started(record.trials[0], 2)
    assert "training relu (2); 1 execution failed" in notebook[-1]
    view.end()
    page = notebook[-1]
    assert "3 of 3 executions" in page
    assert "training" not in page
    assert page.index("&lt;b&gt;elu") < page.index("<td>relu")
    assert "<th>interim gain over relu</th>" in page
    assert '<span style="opacity: .6">+20.0 points</span>' in page
    assert "#" not in page  # no colour says better or worse before the verdict does
    assert "+20.0 points" in page
    assert "30 samples" in page
    assert "FAILED selu execution 1: loss is nan" in page


def test_lines_and_silence_are_the_same_in_a_notebook(notebook):
    assert [type(reporter_for(verbose)).__name__ for verbose in (0, 2)] == ["Silent", "Lines"]
    assert type(reporter_for(1, io.StringIO())).__name__ == "Lines"
    assert notebook == []


def test_a_notebook_sorts_by_the_gain_over_common_executions(notebook):
    record = search({"relu": [0.5, 0.9], "elu": [0.6, 0.95], "selu": [0.65]})
    view = reporter_for(1)
    view.begin(record, "found")
    for made in record.trials:
        view.recorded(made)
    view.end()
    page = notebook[-1]
    order = sorted(("relu", "elu", "selu"), key=lambda name: page.index(f"<td>{name}"))
    assert order == ["selu", "elu", "relu"]  # by their means, selu would be the last
