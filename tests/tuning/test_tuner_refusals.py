"""What `ActivationTuner` refuses, before anything is trained or at once."""

from pathlib import Path

import keras_tuner
import numpy as np
import pytest

import actsearch
from actsearch.errors import UnknownNameError, UsageError
from actsearch.ledger import Ledger
from tests.helpers.searches import classic, run_search, tuner_for
from tests.helpers.tracking import runs_of


def test_an_unknown_objective_ends_the_search_at_once(digits, store):
    with pytest.raises(UnknownNameError, match="Did you mean 'val_accuracy'"):
        run_search(tuner_for(objective="val_acuracy:max"), digits)
    assert not any(t.executions for t in Ledger("found").read().trials)
    assert "RUNNING" not in {r.info.status for r in runs_of(store)}


@pytest.mark.parametrize(
    "wrong", [{"executions": 0}, {"epochs": 1.5}, {"max_trials": 0}, {"seed": -1}, {"batch_size": True}]
)
def test_numbers_that_cannot_be(wrong):
    with pytest.raises(UsageError, match=next(iter(wrong))):
        tuner_for(**wrong)


def test_a_margin_in_points_is_taken_for_what_it_says(digits):
    with pytest.raises(UsageError, match="For 2 points, write 0.02"):
        run_search(tuner_for(classic, margin=2), digits)
    assert not Path("found", "ledger.sqlite").exists()


def test_an_objective_of_validation_needs_validation_data(digits):
    x, y = digits
    with pytest.raises(UsageError, match="validation_data"):
        tuner_for(classic).search(x, y)


def test_arrays_that_do_not_fit_each_other(digits):
    x, y = digits
    with pytest.raises(UsageError, match="299"):
        run_search(tuner_for(classic), (x, y), validation_data=(x[:300], y[:299]))


def test_the_legacy_store_is_refused_before_anything_runs(tmp_path):
    (tmp_path / "mlruns" / "0").mkdir(parents=True)
    (tmp_path / "mlruns" / "0" / "meta.yaml").write_text("name: Default")
    with pytest.raises(UsageError, match="migrate-filestore"):
        tuner_for(classic)


def test_a_store_that_cannot_be_opened_is_refused(digits, tmp_path):
    with pytest.raises(UsageError, match="no_such_folder"):
        run_search(
            tuner_for(classic, tracking=actsearch.MLflow(f"sqlite:///{tmp_path}/no_such_folder/mlflow.db")), digits
        )
    assert not (tmp_path / "found" / "ledger.sqlite").exists()


def test_an_oracle_for_another_objective_is_refused():
    oracle = keras_tuner.oracles.RandomSearchOracle(keras_tuner.Objective("val_loss", "min"), max_trials=2)
    with pytest.raises(UsageError, match="val_loss"):
        tuner_for(classic, oracle=oracle)


def test_a_second_search_needs_a_tuner_of_its_own(digits, without_mlflow):
    tuner = tuner_for(classic, executions=1, epochs=1)
    run_search(tuner, digits)
    with pytest.raises(UsageError, match="already run its search"):
        run_search(tuner, digits)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"epochs": 3}, "contradicts ActivationTuner\\(epochs=2\\)"),
        ({"validation_freq": 2}, "without a score"),
        ({"sample_weight": np.ones(7)}, "sample_weight has 7 entries"),
        ({"execution": 5}, "unexpected argument 'execution'"),
        ({"epoch": 5}, "Did you mean 'epochs'"),
    ],
)
def test_options_that_nothing_takes_are_refused(digits, options, says):
    with pytest.raises(UsageError, match=says):
        run_search(tuner_for(classic), digits, **options)
    assert not (Path("found") / "ledger.sqlite").exists()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"executions": 5, "allocation": "race"}, "a race decides itself"),
        ({"executions": 5, "executions_per_trial": 4}, "Give one of them"),
        ({"max_trials": 5, "oracle": "hyperband"}, "max_trials=5 would be ignored"),
        ({"overwrite": True, "directory": None}, "overwrite would be ignored"),
        ({"tracking": "sqlite:///x.db"}, "actsearch.MLflow"),
        ({"verbose": 3}, "verbose must be"),
        ({"margin": -1}, "margin must be"),
        ({"alpha": 1}, "alpha must be"),
    ],
)
def test_arguments_that_contradict_or_would_be_ignored_are_refused(options, says):
    with pytest.raises(UsageError, match=says):
        actsearch.ActivationTuner(classic, **{"directory": "found", **options})


def test_a_mistyped_argument_leaves_nothing_behind(digits):
    x, y = digits
    with pytest.raises(UsageError, match="unexpected argument 'execution'.*Did you mean 'executions'"):
        actsearch.search(classic, x, y, execution=5)
    assert not list(Path().iterdir())


class Own(keras_tuner.HyperModel):
    """Its fit takes what it likes."""

    def build(self, hp):
        return classic(hp)

    def fit(self, hp, model, *args, patience, **options):
        return model.fit(*args, **options)


def test_a_fit_of_the_users_own_may_take_any_argument(digits, store):
    x, y = digits
    result = actsearch.search(Own(), x, y, epochs=1, executions=1, directory="found", verbose=0, patience=3)
    assert len(result.trials) == 2


def test_hooks_that_would_never_be_called_are_refused():
    class Hooked(actsearch.ActivationTuner):
        def on_trial_end(self, trial):
            print("never")

    with pytest.raises(UsageError, match="Hooked.on_trial_end would never be called"):
        Hooked(classic)


def test_batches_of_a_data_set_are_its_own(digits):
    import tensorflow as tf

    data = tf.data.Dataset.from_tensor_slices(digits).batch(32)
    with pytest.raises(UsageError, match="batch_size would be ignored"):
        tuner_for(classic).search(data, validation_data=data, batch_size=16)
