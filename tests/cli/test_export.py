"""`actsearch export`: the best model of a search, and one that is trained on all of its data."""

import contextlib

import keras
import numpy as np
import pandas as pd
import pytest

import actsearch
from actsearch.data import load_preparation
from actsearch.ledger import Ledger
from actsearch.tuning.result import load_result


def table():
    """A target that depends on a number and on a text."""
    rng = np.random.default_rng(0)
    age, kind = rng.integers(20, 80, 120), rng.integers(0, 2, 120)
    return pd.DataFrame({"age": age, "kind": np.array(["a", "b"])[kind], "y": 3.0 * age + 50 * kind})


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a table, in which a search has run."""
    folder = tmp_path_factory.mktemp("work")
    table().to_csv(folder / "mine.csv", index=False)
    return folder


@pytest.fixture
def found(folder, program):
    """The directory of the search."""
    directory = folder / "found"
    if directory.exists():
        return directory
    with contextlib.chdir(folder):
        options = ("--target", "y", "--epochs", 25, "--executions", 1, "--batch-size", 8, "--units", 16, "--layers", 1)
        status, out, err = program(
            *("search", "relu,elu", "--data", "mine.csv", *options, "--learning-rate", 0.05),
            *("--splits", "each", "--no-tracking", "--quiet", "--directory", "found"),
        )
        assert status == 0, err
        assert f"Model kept: {load_result(directory).describe_model()}." in " ".join(out.split())
    return directory


def test_the_best_model_says_which_execution_trained_it(program, found, tmp_path):
    status, out, _ = program("export", found, "best.keras")
    assert status == 0
    best = load_result(found).best
    first = (
        f"best.keras: {best.activation} (trial {best.trial_id}), execution 1 (on its own split of the data): val mae "
    )
    assert out.startswith(first)
    assert "test mae" in out
    assert "Its inputs are prepared as in the search (numbers standardised" in out
    assert (tmp_path / "best.keras").stat().st_size


def test_a_model_of_all_data_is_used_with_the_scaling_beside_it(program, found):
    status, out, err = program("export", found, "all.keras", "--refit")
    assert status == 0, err
    result = load_result(found)
    trial = next(t for t in result.trials if t.trial_id == result.verdict.recommended)
    assert (
        f"Training {trial.activation} (trial {trial.trial_id}) on all data for {trial.executions[0].best_epoch} " in err
    )
    assert "all.keras: trained on 120 samples. No score of it is known." in out
    model = keras.saving.load_model("all.keras")
    prepare = load_preparation("all.preparation.json")
    samples = table()
    predicted = prepare.target(model.predict(prepare(samples.drop(columns=["y"])), verbose=0))[:, 0]
    assert np.corrcoef(predicted, samples["y"])[0, 1] > 0.9
    assert abs(predicted.mean() - samples["y"].mean()) < 30
    assert int(model.optimizer.iterations.numpy()) == trial.executions[0].best_epoch * 15


def test_another_trial_is_trained_on_request_and_changed_data_are_named(program, found, folder):
    result = load_result(found)
    other = next(t for t in result.trials if t.trial_id != result.verdict.recommended)
    more = pd.concat([table(), table().assign(age=30)])
    more.to_csv(folder / "mine.csv", index=False)
    status, out, err = program("export", found, "other.keras", "--refit", "--trial", other.trial_id)
    table().to_csv(folder / "mine.csv", index=False)
    assert status == 0, err
    assert "trained on 240 samples" in out
    assert "The data of mine.csv have changed since the search" in err
    assert f"Training {other.activation} (trial {other.trial_id})" in err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("model.h5",), "Use a name that ends in .keras"),
        (("model.keras", "--trial", "7"), "Unknown trial '7'"),
        (("model.keras", "--refit", "--trial", "7"), "Unknown trial '7'"),
        (("no/such/folder/model.keras", "--refit"), "cannot be written"),
    ],
)
def test_wrong_use_is_said_before_anything_is_trained(program, found, arguments, says):
    status, _, err = program("export", found, *arguments)
    assert (status, "Training" in err) == (2, False)
    assert says in err


def test_the_data_of_a_program_are_known_to_it_alone(program, digits):
    x, y = digits

    def build(hp):
        model = keras.Sequential([keras.Input((64,)), keras.layers.Dense(10, hp.Choice("activation", ["softmax"]))])
        model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
        return model

    x = x.reshape(len(x), -1)
    actsearch.search(build, x, y, epochs=1, executions=1, verbose=0, directory="own", tracking=False)
    assert not Ledger("own").read().environment["command"].startswith("actsearch search")
    status, _, err = program("export", "own", "model.keras", "--refit")
    assert status == 2
    assert "started by your own program" in err
    assert "Call result.refit(x, y) there" in err
