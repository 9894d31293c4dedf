"""What is said of a joint search, in each place where it is shown."""

import json
from dataclasses import replace

import pytest

from actsearch.analysis.verdict import verdict_of
from actsearch.cli.report import report
from actsearch.cli.terminal import as_plain, show_result
from actsearch.ledger import Ledger
from actsearch.reports.joint import joint_plain, joint_sentences, joint_text
from actsearch.reports.text import text_report
from actsearch.tracking.runs import open_experiment
from actsearch.tracking.store import StoreAddress
from actsearch.tracking.writer import MLflowWriter
from actsearch.tuning.result import load_result
from tests.helpers.factories import search
from tests.helpers.joint import GRID, grid, joint_search
from tests.helpers.ledgers import written


def score(values):
    slope = 40 if values["activation"] in ("relu", "elu") else -8
    return 0.8 + slope * (values["learning_rate"] - 0.001) + 0.03 * (values["units"] > 60)


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    space = {name: GRID[name] for name in ("activation", "learning_rate", "units")}
    record = joint_search(grid(space), score, noise=0.004, executions=2)
    return load_result(written(tmp_path_factory.mktemp("joint"), record))


def test_it_is_six_lines_of_80_columns(result):
    text = joint_text(result.record, result.verdict)
    lines = text.splitlines()
    assert len(lines) <= 6
    assert max(map(len, lines)) <= 80
    plain = " ".join(lines)
    assert plain.startswith(f"Best trial by val accuracy: {result.verdict.best_trial.named}. ")
    assert "others could be better (95% confidence)" in plain
    assert "without the luck of being chosen" in plain
    assert "Val accuracy depends on " in plain
    assert "are best at 0.0003" in plain


def test_many_hyperparameters_are_cut_to_six_lines(result):
    values = {f"activation.block_{n}_with_a_long_name": "leaky_relu" for n in range(20)}
    verdict = replace(result.verdict, best_trial=replace(result.verdict.best_trial, values=values))
    assert len(joint_text(result.record, verdict).splitlines()) == 6
    assert "block_19" in joint_sentences(result.record, verdict)[0]


def test_terminal_report_json_text_and_pages_have_it(result, capsys):
    show_result(result, as_json=False)
    assert joint_text(result.record, result.verdict) in capsys.readouterr().out
    report(result.directory, result.directory / "page.html", html=True)
    assert capsys.readouterr().out == f"{result.directory / 'page.html'}\n"
    assert joint_text(result.record, result.verdict) in text_report(result.record, result.verdict)
    page = (result.directory / "page.html").read_text("utf-8")
    assert "Best trial and what mattered" in page
    assert page.count("<figure ") == len(result.figures())
    assert result.verdict.best_trial.certainty[4:] in result.report()
    plain = json.loads(json.dumps(as_plain(result), allow_nan=False))
    assert plain["best"] == plain["best_trial"]["trial_id"]
    assert plain["recommended_activation"] == "relu"
    assert {each["name"] for each in plain["importance"]["shares"]} == {"activation", "learning_rate", "units"}
    assert plain["importance"]["interactions"][0]["is_clear"]
    assert result.plot("importance").axes
    assert result.plot("interaction").axes


def test_mlflow_has_shares_tags_and_figures(result, store, tmp_path):
    experiment = open_experiment(store, StoreAddress(f"sqlite:///{tmp_path / 'mlflow.db'}", "joint"))
    ledger = Ledger(result.directory)
    writer = MLflowWriter(store, experiment, ledger)
    writer.write(ledger.facts())
    run = store.get_run(writer.run_ids["run_id"])
    first = result.importance().shares[0]
    assert run.data.metrics[f"importance/{first.name}"] == pytest.approx(first.share, abs=1e-4)
    assert run.data.metrics["importance/seeds_and_splits"] > 0
    assert "importance_r2" not in run.data.metrics
    assert run.data.tags["actsearch.best_trial"].startswith(result.verdict.best_trial.named)
    assert run.data.tags["actsearch.importance"] == result.importance().summary()
    pictures = {file.path for file in store.list_artifacts(run.info.run_id, "report")}
    assert {"report/importance.png", "report/interaction.png"} <= pictures


def test_a_search_of_activations_only_says_nothing_of_it():
    record = search({"relu": [0.9, 0.91, 0.92], "elu": [0.9, 0.92, 0.93]})
    verdict = verdict_of(record)
    assert joint_text(record, verdict) == ""
    assert joint_plain(record, verdict) == {"best_trial": None, "importance": None}


def test_too_few_trials_are_one_sentence():
    record = joint_search(grid()[:4], score, noise=0.004)
    text = joint_text(record, verdict_of(record))
    assert "4 trials with a score are too few, at least 8 are needed." in " ".join(text.splitlines())
