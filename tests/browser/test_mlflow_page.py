"""The page of an experiment in the MLflow UI, as a reader sees it."""

import pytest
from mlflow import MlflowClient

from actsearch.ledger import Ledger
from actsearch.tuning.result import load_result
from actsearch.visualization._style import style_of
from tests.helpers.browsers import browser, searched, ui  # noqa: F401  fixtures

pytestmark = pytest.mark.slow
ACTIVATIONS = {"relu", "leaky_relu", "prelu", "elu", "selu"}
TRACES = """[...document.querySelectorAll('.js-plotly-plot')].flatMap(plot => plot.data || []).map(
    trace => [trace.mode || trace.type, (trace.y || []).length, [(trace.marker || {}).color].flat()])"""


@pytest.fixture(scope="session")
def search(searched):
    return Ledger(searched).read()


@pytest.fixture(scope="session")
def client(search):
    return MlflowClient(search.environment["tracking_uri"])


@pytest.fixture(scope="session")
def experiment(client, search):
    return client.get_experiment_by_name(search.environment["experiment"]).experiment_id


@pytest.fixture(scope="session")
def runs(client, experiment):
    """The runs of search and trials, the search's first."""
    found = client.search_runs([experiment], "tags.`actsearch.level` != 'execution'")
    return sorted(found, key=lambda run: run.data.tags["actsearch.level"])


@pytest.fixture(scope="session")
def view(ui):
    """The address of the search's view, as `actsearch ui` prints it."""
    assert "viewStateShareKey=actsearch-" in ui
    return ui


@pytest.fixture(scope="session")
def page(ui, experiment):
    """The address of a run's page."""
    return lambda run, path="": f"{ui.split('/#')[0]}/#/experiments/{experiment}/runs/{run.info.run_id}{path}"


def test_the_page_of_the_experiment_opens_on_every_trial_with_what_it_gained_and_cost(browser, view):
    browser.open(view, width=2600)
    browser.wait_for("document.querySelectorAll('.ag-center-cols-container .ag-row').length == 5", "five trials")
    browser.keep("mlflow-trials")
    text = browser.ask("document.body.innerText")
    assert all(name in text for name in ACTIVATIONS)
    columns = browser.ask("[...document.querySelectorAll('.ag-header-cell')].map(cell => cell.innerText.trim())")
    for column in ("activation", "judged_test_accuracy", "gain", "gain_low", "actsearch.verdict", "num_executions"):
        assert column in columns
    for column in ("train_seconds", "training_memory_mib", "inference_microseconds", "num_parameters"):
        assert column in columns


def test_the_charts_have_data_and_a_line_an_activation_in_its_colour(browser, view):
    browser.open(view.replace("TABLE", "CHART"), width=2200, height=2000)
    browser.wait_for(f"{TRACES}.filter(([kind, size]) => kind === 'lines+markers' && size === 4).length === 5", "lines")
    browser.wait_for(f"{TRACES}.filter(([kind, size]) => kind === 'bar' && size === 5).length === 4", "bars")
    browser.keep("mlflow-charts")
    traces = browser.ask(TRACES)
    colours = sorted(style_of(name).colour for name in ACTIVATIONS)
    assert sorted(c for kind, size, (c, *_) in traces if (kind, size) == ("lines+markers", 4)) == colours
    (points,) = [found for kind, _, found in traces if kind == "markers"]
    assert sorted(points) == colours


def test_the_run_of_the_search_has_its_note_and_leads_to_its_trials(browser, page, runs, searched):
    browser.open(page(runs[0]), height=1400)
    browser.wait_for("document.body.innerText.includes('To reproduce this search')", "the note")
    browser.keep("mlflow-search")
    assert load_result(searched).verdict.recommendation in browser.ask("document.body.innerText")
    links = set(browser.ask("[...document.querySelectorAll('table a')].map(link => link.href)"))
    assert {page(run) for run in runs[1:]} <= links
    browser.driver.get(page(runs[1]))
    name = runs[1].data.tags["mlflow.runName"]
    browser.wait_for(f"document.body.innerText.includes('{name}')", "the trial's page")


@pytest.mark.parametrize("name", ["differences", "executions", "curves", "pareto", "costs", "health"])
def test_the_pictures_of_a_search_are_there(browser, page, runs, name):
    browser.open(page(runs[0], f"/artifacts/report/{name}.png"))
    pictures = "[...document.images].filter(image => image.naturalWidth > 600)"
    browser.wait_for(f"{pictures}.length >= 1", f"the picture {name}")


def test_a_trial_has_the_picture_of_its_activation(browser, page, runs):
    browser.open(page(runs[1], "/artifacts/activation.png"))
    browser.wait_for("[...document.images].some(image => image.naturalWidth > 400)", "the picture")


def test_the_table_of_trials_is_shown_as_one(browser, page, runs):
    browser.open(page(runs[0], "/artifacts/trials.json"))
    browser.wait_for("document.body.innerText.includes('num_executions')", "the table")


def test_executions_have_system_metrics(browser, page, client, experiment):
    [run, *_] = client.search_runs([experiment], "tags.`actsearch.level` = 'execution'")
    browser.open(page(run, "/system-metrics"))
    browser.wait_for("document.body.innerText.includes('rss_mib')", "the charts")


def test_nothing_of_ours_is_wrong_in_the_console(browser, view):
    browser.open(view)
    browser.wait_for("document.querySelectorAll('.ag-row').length >= 5", "the trials")
    assert not [message for message in browser.messages() if "actsearch" in message]
