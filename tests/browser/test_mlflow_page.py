"""The page of an experiment in the MLflow UI, as a reader sees it."""

import pytest
from mlflow import MlflowClient

from actsearch.ledger import Ledger
from actsearch.reports.story import story_of
from actsearch.tuning.result import load_result
from actsearch.visualization._style import style_of
from tests.helpers.browsers import browser, searched, ui  # noqa: F401  fixtures

pytestmark = pytest.mark.slow
ACTIVATIONS = {"relu", "leaky_relu", "prelu", "elu", "selu"}
GENERATIVE = {"Agent versions", "Token usage", "Prompts"}  # entries of its side bar
COLUMNS = """[...document.querySelectorAll('.ag-center-cols-viewport, .ag-header-viewport')].flatMap(
    part => [...part.querySelectorAll('.ag-header-cell')]).sort(
    (a, b) => a.getBoundingClientRect().left - b.getBoundingClientRect().left).map(cell => cell.innerText.trim())"""
PICTURES = "[...document.images].filter(image => image.naturalWidth > 400)"
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
    return lambda run, path="": (
        f"{ui.split('/#')[0]}/#/experiments/{experiment}/runs/{run.info.run_id}{path}?workflowType=machine_learning"
    )


def unfold(browser):
    """Opens the whole of a note."""
    more = "[...document.querySelectorAll('button')].find(button => button.innerText === 'Show more')"
    browser.wait_for(more, "the button that unfolds the note")
    browser.ask(f"{more}.click()")


def test_the_page_of_the_experiment_opens_on_every_trial_with_what_it_gained_and_cost(browser, view):
    browser.open(view, width=2600)
    browser.wait_for("document.querySelectorAll('.ag-center-cols-container .ag-row').length == 5", "five trials")
    browser.keep("mlflow-trials-2600")
    text = browser.ask("document.body.innerText")
    assert all(name in text for name in ACTIVATIONS)
    assert "relu (baseline)" in text
    columns = browser.ask(COLUMNS)
    assert columns[:6] == [
        "gain_points",
        "gain_points_low",
        "gain_points_high",
        "actsearch.verdict",
        "train_seconds_ratio",
        "mean_test_accuracy",
    ]
    assert columns[-1] == "Duration"
    for column in (
        "num_executions",
        "training_memory_bytes_ratio",
        "inference_microseconds_ratio",
        "num_parameters",
    ):
        assert column in columns
    figures = browser.ask("[...document.querySelectorAll('.ag-center-cols-container .ag-cell')].map(c => c.innerText)")
    assert max(len(figure) for figure in figures if figure.replace(".", "").lstrip("-").isdigit()) <= 9


@pytest.mark.parametrize("width", [1440, 390])
def test_the_table_of_trials_fits_a_window(browser, view, width):
    browser.open(view, width=width)
    browser.wait_for("document.querySelectorAll('.ag-center-cols-container .ag-row').length == 5", "five trials")
    browser.keep(f"mlflow-trials-{width}")
    assert not GENERATIVE & set(browser.ask("document.body.innerText").splitlines())


def test_the_charts_have_data_and_a_line_an_activation_in_its_colour(browser, view):
    browser.open(view.replace("TABLE", "CHART"), height=1700)
    browser.wait_for(f"{TRACES}.filter(([kind, size]) => kind === 'lines+markers' && size === 4).length === 5", "lines")
    browser.wait_for(f"{TRACES}.filter(([kind, size]) => kind === 'bar' && size === 5).length === 5", "bars")
    browser.keep("mlflow-charts-1440")
    traces = browser.ask(TRACES)
    colours = sorted(style_of(name).colour for name in ACTIVATIONS)
    assert sorted(c for kind, size, (c, *_) in traces if (kind, size) == ("lines+markers", 4)) == colours
    (by_gain,) = (found for kind, _, found in traces if kind == "markers")
    assert set(by_gain) <= set(colours)  # costs that are not settled have no multiple
    assert style_of("relu").colour in by_gain
    assert not GENERATIVE & set(browser.ask("document.body.innerText").splitlines())
    assert browser.ask("document.body.innerText").splitlines().count("dead") == 1  # a section, folded


def test_on_a_phone_the_page_of_charts_shows_the_trials(browser, view):
    """MLflow keeps its side bar there, so that the charts themselves are out of sight."""
    browser.open(view.replace("TABLE", "CHART"), width=390, height=3200)
    browser.wait_for("document.body.innerText.includes('Activations')", "the charts")
    browser.keep("mlflow-charts-390")
    assert not GENERATIVE & set(browser.ask("document.body.innerText").splitlines())


@pytest.mark.parametrize("width", [1440, 390])
def test_the_run_of_the_search_has_its_note_and_leads_to_its_trials(browser, page, runs, searched, width):
    browser.open(page(runs[0]), width=width, height=2400)
    browser.wait_for("document.body.innerText.includes('To reproduce this search')", "the note")
    browser.wait_for(f"{PICTURES}.length >= 1", "the forest plot")
    unfold(browser)
    browser.keep(f"mlflow-search-{width}")
    found = load_result(searched)
    text = browser.ask("document.body.innerText")
    assert not GENERATIVE & set(text.splitlines())
    assert story_of(found.record, found.verdict).advice in text
    assert runs[0].info.run_name in text
    links = set(browser.ask("[...document.querySelectorAll('table a')].map(link => link.href)"))
    assert {page(run) for run in runs[1:]} <= links


@pytest.mark.parametrize("width", [1440, 390])
def test_a_trial_has_its_note_with_its_picture(browser, page, runs, width):
    trial = next(run for run in runs if run.info.run_name.startswith("selu "))
    browser.open(page(trial), width=width, height=2400)
    browser.wait_for(f"{PICTURES}.length >= 1", "the picture")
    unfold(browser)
    browser.keep(f"mlflow-trial-{width}")
    text = browser.ask("document.body.innerText")
    assert not GENERATIVE & set(text.splitlines())
    assert trial.info.run_name in text
    assert "training time" in text


def test_the_artifacts_of_a_search_have_its_report(browser, page, runs):
    browser.open(page(runs[0], "/artifacts/report.html"), height=1400)
    browser.wait_for("document.querySelectorAll('iframe').length >= 1", "the report")
    browser.driver.switch_to.frame(browser.driver.find_element("css selector", "iframe"))
    browser.wait_for("[...document.images].length >= 5", "the pictures")
    browser.driver.switch_to.default_content()
    browser.wait_for("document.querySelector('iframe').clientHeight > 300", "the report in sight")
    browser.keep("mlflow-report")


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
    runs = client.search_runs([experiment], "tags.`actsearch.level` = 'execution'")
    run = next(each for each in runs if each.info.run_name.endswith("#1"))  # the others have no curves
    browser.open(page(run, "/system-metrics"))
    browser.wait_for("document.body.innerText.includes('rss_mib')", "the charts")


def test_nothing_of_ours_is_wrong_in_the_console(browser, view):
    browser.open(view)
    browser.wait_for("document.querySelectorAll('.ag-row').length >= 5", "the trials")
    assert not [message for message in browser.messages() if "actsearch" in message]
