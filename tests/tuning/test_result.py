"""Results without a search: from a ledger that is written by hand."""

import subprocess
import sys
from pathlib import Path

import keras
import pytest

import actsearch
from actsearch.analysis.units import configuration_label
from actsearch.config import SearchConfig
from actsearch.errors import SearchFailedError, UnknownNameError, UsageError
from actsearch.tracking.store import model_file
from actsearch.tuning.result import SearchResult, load_result
from tests.helpers.factories import search, trial
from tests.helpers.ledgers import written
from tests.helpers.searches import run_search, tuner_for

SCORES = {"relu": [0.90, 0.91, 0.92], "elu": [0.95, 0.96, 0.975], "tanh": [0.5, None, 0.52]}


@pytest.fixture
def found(tmp_path):
    """The directory of a search that completed."""
    record = search(SCORES, config=SearchConfig(seed=7))
    return written(tmp_path / "found", record)


def test_a_search_of_yesterday_is_opened_without_tensorflow(found):
    code = f"import actsearch, sys; r = actsearch.load_result({str(found)!r}); print(r); r.leaderboard();"
    code += "print({'tensorflow', 'keras', 'mlflow'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith("set()")
    assert "elu" in done.stdout


def test_repr_is_a_line_and_text_fits_80_columns(found):
    result = load_result(found)
    assert repr(result) == f"<SearchResult demo: 3 trials, best val_accuracy: elu, in {found}>"
    lines = str(result).splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[0].startswith("elu: +5.2 points") or "elu" in lines[0]
    assert any(line.startswith("tanh, execution 2 failed: loss is nan") for line in lines)
    assert len(str(result)) < 1000
    assert result._repr_html_().startswith("<p><b>")


def test_the_leaderboard_is_a_frame_with_a_row_a_trial(found):
    frame = load_result(found).leaderboard()
    assert frame["activation"].tolist() == ["elu", "relu", "tanh"]
    assert frame["verdict"].tolist()[1:] == ["baseline", "undecided"]
    assert frame.loc[0, "gain"] == pytest.approx(0.0516667, abs=1e-6)
    assert frame.loc[0, "gain_low"] < frame.loc[0, "gain"] < frame.loc[0, "gain_high"]
    assert frame["train_seconds_ratio"].tolist()[::2] == [1.0, 1.0]
    assert len(load_result(found).to_frame()) == 9


def test_a_figure_is_made_by_its_name_and_others_are_named(found):
    result = load_result(found)
    assert list(result.figures()) == ["differences", "executions", "curves", "pareto", "costs"]
    assert result.plot("differences").axes
    with pytest.raises(UnknownNameError, match=r"Unknown figure 'cost'. Did you mean 'costs'\? Known: costs, curves"):
        result.plot("cost")


@pytest.mark.parametrize(("name", "start"), [("report.html", "<!DOCTYPE html>"), ("report.md", "**demo**")])
def test_a_report_is_saved_by_its_ending(found, tmp_path, name, start):
    path = load_result(found).save_report(tmp_path / name)
    assert path == tmp_path / name
    assert path.read_text("utf-8").startswith(start)


@pytest.mark.parametrize("name", ["report.pdf", "report", "no/such/folder/report.md"])
def test_a_report_that_cannot_be_written_says_what_can(found, tmp_path, name):
    with pytest.raises(UsageError, match=r"\.html or \.md|another path"):
        load_result(found).save_report(tmp_path / name)


def test_where_there_is_no_search_the_file_is_named(tmp_path):
    with pytest.raises(UsageError, match=r"does not hold a search: \S+ is missing"):
        load_result(tmp_path)


def test_the_saved_model_of_the_best_trial_needs_no_build_function(found):
    file = model_file(found, "1")
    file.parent.mkdir()
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, "elu")])
    model.compile("adam", "mse")
    model.save(file)
    loaded = actsearch.load_result(found).best_model()
    assert [w.tolist() for w in loaded.get_weights()] == [w.tolist() for w in model.get_weights()]


def test_without_model_and_build_function_it_is_said_what_to_pass(found):
    with pytest.raises(UsageError, match="build="):
        load_result(found).best_model()
    with pytest.raises(UnknownNameError, match="Unknown trial '7'"):
        load_result(found).best_model("7")


def test_a_trial_that_was_not_saved_is_built_and_gets_its_weights(found):
    from actsearch.tuning.storage import save_weights

    def build(hp):
        model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, hp.get("activation"))])
        model.compile("adam", "mse")
        return model

    weights = [[[1.0], [2.0]], [3.0]]
    save_weights(found, "0", [keras.ops.convert_to_numpy(w) for w in map(keras.ops.array, weights)])
    model = load_result(found, build=build).best_model("0")
    assert [w.tolist() for w in model.get_weights()] == weights
    assert model.layers[0].activation.__name__ == "relu"


def test_it_is_said_which_execution_trained_the_model(found):
    result = load_result(found)
    assert result.describe_model() == (
        "elu (trial 1), execution 3: val accuracy 0.9750; the trial's mean val accuracy is 0.9617 (n=3)"
    )
    assert "best_model(): elu (trial 1), execution 3" in str(result)
    assert result.describe_model("2").startswith("tanh (trial 2), execution 3: val accuracy 0.5200; ")
    with pytest.raises(UnknownNameError, match="Unknown trial '7'"):
        result.describe_model("7")


def test_a_model_that_is_not_of_the_trial_that_the_verdict_advises_is_called_that(tmp_path):
    """selu is the best by validation scores, but not shown better."""
    result = SearchResult(search({"relu": [0.9, 0.91, 0.92], "selu": [0.9, 0.93, 0.95]}), tmp_path)
    said = "It has the best mean val accuracy of all trials, but the verdict advises relu (trial 0)"
    assert result.describe_model().endswith(f"(n=3). {said}")
    assert said in " ".join(str(result).split())
    assert "verdict advises" not in result.describe_model("0")
    agreeing = SearchResult(search({"relu": [0.9, 0.91, 0.92], "selu": [0.8, 0.83, 0.85]}), tmp_path)
    assert "verdict advises" not in agreeing.describe_model()


def test_of_test_data_and_splits_the_model_has_both_scores_and_its_split():
    made = [trial("0", "relu", [0.9, 0.8], test_scores=[0.6, 0.7]), trial("1", "elu", [None, None])]
    record = search(made, config=SearchConfig(splits="each"))
    result = SearchResult(record, Path())
    assert result.describe_model() == (
        "relu (trial 0), execution 1 (on its own split of the data): val accuracy 0.9000, test accuracy 0.6000; "
        "the trial's mean test accuracy is 0.6500 (n=2)"
    )
    assert result.describe_model("1") == "elu (trial 1): no execution completed, so there is no model"


def test_a_search_of_which_everything_failed_can_be_shown(tmp_path):
    result = SearchResult(search({"relu": [None, None]}), Path(tmp_path))
    assert "Nothing to compare" in str(result)
    assert "failed" in str(result)
    assert result.figures() == {}
    with pytest.raises(SearchFailedError, match="None of the 2 executions completed"):
        result.best  # noqa: B018


def joint_network(hp):
    activation = actsearch.choose(hp, ["relu", "selu"])
    rate = hp.Choice("learning_rate", [1e-4, 1e-3, 1e-2])
    layers = [keras.Input((64,)), keras.layers.Dense(hp.Choice("units", [8, 32])), activation.layer()]
    model = keras.Sequential([*layers, keras.layers.Dense(10, activation="softmax")])
    model.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def test_a_joint_search_keeps_its_best_trial_and_refits_what_it_advises(digits):
    result = run_search(tuner_for(joint_network, epochs=3, tracking=False), digits)
    best, importance = result.verdict.best_trial, result.importance()
    assert set(best.values) == {"activation", "learning_rate", "units"}
    assert importance.shares[0].name == "learning_rate"
    assert "a full grid" in importance.basis
    assert best.trial_id == result.best.trial_id
    assert best.named in str(result).replace("\n", " ")
    advised = next(t for t in result.trials if t.trial_id == result.verdict.recommended)
    compared = {each.trial_id for each in result.verdict.comparisons} | {result.verdict.reference}
    assert advised.trial_id in compared
    assert configuration_label(result.record, advised) in str(result).splitlines()[0]
    x, y = digits
    refitted = result.refit(x[:300], y[:300], verbose=0)
    assert float(refitted.optimizer.learning_rate.numpy()) == pytest.approx(advised.hyperparameters["learning_rate"])
    assert refitted.layers[0].units == advised.hyperparameters["units"]
    assert result.best_model().layers[0].units == best.values["units"]
