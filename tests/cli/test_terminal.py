"""Every output of a search shows the same judged score and the same gain; + is better, for a loss too."""

import io
import json
import re
import sys
from pathlib import Path
from statistics import fmean

import pytest

from actsearch.analysis.verdict import verdict_of
from actsearch.cli.terminal import as_plain, print_result, print_table, print_wrapped
from actsearch.ledger import Ledger
from actsearch.records import Direction, Objective
from actsearch.reports import html_report, markdown_report
from actsearch.reports.html import search_html
from actsearch.tracking.runs import open_experiment
from actsearch.tracking.store import StoreAddress
from actsearch.tracking.writer import MLflowWriter
from actsearch.tuning.result import load_result
from tests.helpers.factories import search, trial
from tests.helpers.ledgers import written

# On validation data selu is best and elu worst; on test data it is the other way round.
VALIDATION = {"relu": [0.65, 0.66, 0.64, 0.65], "elu": [0.7, 0.72, 0.7, 0.71], "selu": [0.5, 0.51, 0.5, 0.53]}
TEST = {"relu": [0.62, 0.63, 0.6, 0.61], "elu": [0.56, 0.58, 0.54, 0.56], "selu": [0.73, 0.74, 0.72, 0.71]}
GAINS = {name: fmean(TEST["relu"]) - fmean(scores) for name, scores in TEST.items() if name != "relu"}
ORDER = ["elu", "relu", "selu"]


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    """A search for the smallest error, with test data."""
    made = [trial(str(n), name, VALIDATION[name], test_scores=TEST[name]) for n, name in enumerate(TEST)]
    record = search(made, objective=Objective("val_mae", Direction.MIN))
    return load_result(written(tmp_path_factory.mktemp("found"), record))


@pytest.mark.parametrize(("columns", "width"), [(None, 80), ("60", 60), ("160", 160)])
def test_what_is_piped_fits_80_columns_or_as_many_as_it_is_told(result, monkeypatch, capsys, columns, width):
    monkeypatch.delenv("COLUMNS", raising=False)
    if columns is not None:
        monkeypatch.setenv("COLUMNS", columns)
    print_result(result.record, result.verdict, sys.stdout)
    print_wrapped("word " * 60)
    print_table(["name", "what"], [["relu", "word " * 60]])
    lengths = [len(line) for line in capsys.readouterr().out.splitlines()]
    assert width - 6 < max(lengths) <= width


def shown_gains(text):
    """Gains in a text that has a row for each trial: `+0.055 [0.03, 0.08]`."""
    return [float(gain) for gain in re.findall(r"([+-]\d\.\d+) \[", text)]


def test_texts_have_test_scores_best_first_and_gains_of_one_sign(result):
    record, verdict, stream = result.record, result.verdict, io.StringIO()
    print_result(record, verdict, stream)
    texts = {"terminal": stream.getvalue(), "markdown": markdown_report(record, verdict), "text": str(result)}
    texts |= {"page": html_report(record, verdict), "notebook": search_html(record, verdict)}
    for name, text in texts.items():
        table = text[text.index("test mae") :]
        assert "val mae" not in re.split(r"Figures|best_model", text)[0], name
        places = [table.index(f"{fmean(TEST[each]):.4g}") for each in ORDER]
        assert places == sorted(places), name
        assert all(f"{GAINS[each]:+.3g}" in text for each in GAINS), name
        assert {round(gain, 3) for gain in shown_gains(table)} <= {round(gain, 3) for gain in GAINS.values()}, name
        assert f"elu: gain {GAINS['elu']:+.3g} in test mae" in text, name


def test_data_has_test_scores_and_gains_of_one_sign(result):
    plain = as_plain(result)
    assert plain["score_name"] == "test mae"
    assert (plain["best"], plain["recommended"]) == ("2", "1")
    rows = {"json": plain["trials"], "frame": result.leaderboard().to_dict("records")}
    for name, found in rows.items():
        for row in found:
            activation = row["activation"]
            assert row["score"] == pytest.approx(fmean(TEST[activation])), name
            assert row["objective_mean"] == pytest.approx(fmean(VALIDATION[activation])), name
            if activation in GAINS:
                assert row["gain"] == pytest.approx(GAINS[activation]), name
                assert row["gain_low"] <= row["gain"] <= row["gain_high"], name
        assert [row["activation"] for row in found] == ORDER, name


def test_mlflow_has_test_scores_and_gains_of_one_sign(result, store, tmp_path):
    experiment = open_experiment(store, StoreAddress(f"sqlite:///{tmp_path / 'mlflow.db'}", "one-score"))
    ledger = Ledger(result.directory)
    writer = MLflowWriter(store, experiment, ledger)
    writer.write(ledger.facts())
    for each in result.trials:
        run = store.get_run(writer.run_ids["trial_run_ids"][each.trial_id]).data
        assert run.metrics["mean_test_mae"] == pytest.approx(fmean(TEST[each.activation]), rel=1e-3)
        assert run.tags["actsearch.score_name"] == "test mae"
        assert run.metrics.get("gain") == pytest.approx(GAINS.get(each.activation, 0.0), rel=1e-3)
        assert "difference" not in run.metrics
    run_id = writer.run_ids["run_id"]
    table = json.loads(Path(store.download_artifacts(run_id, "trials.json")).read_text())
    lines = [dict(zip(table["columns"], row, strict=True)) for row in table["data"]]
    assert [line["activation"] for line in lines] == ORDER
    assert [line["gain"] for line in lines] == [pytest.approx(GAINS.get(name)) for name in ORDER]
    assert {line["score_name"] for line in lines} == {"test mae"}
    assert f"elu: gain {GAINS['elu']:+.3g} in test mae" in store.get_run(run_id).data.tags["mlflow.note.content"]


def test_figures_and_words_have_the_sign_of_the_gain(result):
    (elu,) = [c for c in result.verdict.comparisons if c.activation == "elu"]
    axes = result.plot("differences").axes[0]
    points = [line.get_xdata()[0] for line in axes.get_lines() if line.get_marker() not in ("None", "<", ">")]
    assert sorted(points) == pytest.approx(sorted(GAINS.values()))
    assert elu.difference == pytest.approx(GAINS["elu"])
    words = str(result.verdict)
    assert "Gain over relu in test mae (+ is better):" in words
    assert f"elu: better, gain {GAINS['elu']:+.3g} [" in words
    assert verdict_of(result.record) == result.verdict
