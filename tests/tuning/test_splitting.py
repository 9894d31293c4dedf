"""Searches that divide their data: every execution on its own split, which all trials share."""

import keras
import numpy as np
import pytest

import actsearch
from actsearch.data.division import ArrayDivision
from actsearch.data.splits import Splits
from actsearch.errors import DataError, UsageError
from actsearch.ledger.samples import StoredSamples

RNG = np.random.default_rng(0)
X = RNG.normal(size=(120, 4)).astype("float32")
Y = (X[:, 0] * X[:, 1] > 0).astype("int32")
GROUPS = np.repeat(np.arange(24), 5)


def classifier():
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(8, "relu"), keras.layers.Dense(2, "softmax")])
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def built(hp):
    hidden = [keras.layers.Dense(8), actsearch.choose(hp, ["relu", "elu"]).layer()]
    model = keras.Sequential([keras.Input((4,)), *hidden, keras.layers.Dense(2, "softmax")])
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def searched(tmp_path, **options):
    how = {"space": ["relu", "elu"], "epochs": 2, "tracking": False, "verbose": 0, "directory": tmp_path, **options}
    result = actsearch.search(classifier(), X, Y, **how)
    return result, StoredSamples(result.directory)


def ids_tested(samples, result, trial=0):
    ids = [samples(result.trials[trial].trial_id, e.execution, "test").ids for e in result.trials[trial].executions]
    return [tuple(sorted(part.tolist())) for part in ids]


@pytest.fixture(scope="module")
def each(tmp_path_factory):
    return searched(tmp_path_factory.mktemp("each") / "found", executions=3)


def test_by_default_each_execution_has_a_split_that_its_trials_share(each):
    result, samples = each
    assert result.record.config.splits == "each"
    assert len(set(ids_tested(samples, result))) == 3
    assert ids_tested(samples, result, 0) == ids_tested(samples, result, 1)


def test_the_mean_of_the_samples_is_the_score(each):
    result, samples = each
    for trial in result.trials:
        for e in trial.executions:
            assert samples(trial.trial_id, e.execution, "test").values.mean() == pytest.approx(e.test_score, abs=1e-6)
            assert samples(trial.trial_id, e.execution, "validation").values.mean() == pytest.approx(e.score, abs=1e-6)


class EachBatch(keras.callbacks.Callback):
    """Needs every batch, so that `model.fit` trains."""

    def on_train_batch_end(self, batch, logs=None):
        self.seen = batch, logs


def test_an_execution_trains_as_fit_does_on_its_split(each):
    result, _ = each
    by_fit, _ = searched(result.directory.parent / "fit", executions=3, callbacks=[EachBatch()])
    assert {e.trainer for t in by_fit.trials for e in t.executions} == {"fit"}
    ours, theirs = ([e.score for t in r.trials for e in t.executions] for r in (result, by_fit))
    assert len(ours) == len(theirs) == 6
    sizes = [len(ids_tested(StoredSamples(r.directory), r)[2]) for r in (result, by_fit)]
    assert sizes == [24, 24]
    assert ids_tested(StoredSamples(by_fit.directory), by_fit) == ids_tested(StoredSamples(result.directory), result)


def test_one_split_folds_and_groups(tmp_path):
    one, samples = searched(tmp_path / "one", executions=2, splits="one")
    assert len(set(ids_tested(samples, one))) == 1
    folds, samples = searched(tmp_path / "folds", splits="4-fold")
    assert len(folds.trials[0].executions) == 4
    assert sorted(i for part in ids_tested(samples, folds) for i in part) == list(range(120))
    grouped, samples = searched(tmp_path / "grouped", executions=2, groups=GROUPS)
    for part in ids_tested(samples, grouped):
        assert all(set(np.flatnonzero(group == GROUPS)) <= set(part) for group in GROUPS[list(part)])


def test_weights_are_divided_with_their_samples(tmp_path):
    weight = np.where(X[:, 0] > 0, 1.0, 0.25).astype("float32")
    result, samples = searched(tmp_path, sample_weight=weight, objective="val_loss", executions=2)
    assert {e.trainer for t in result.trials for e in t.executions} == {"compiled"}
    for e in result.trials[0].executions:
        assert samples("0000", e.execution, "test").values.mean() == pytest.approx(e.test_score, abs=1e-6)
    division = ArrayDivision(X, Y, Splits("each", 120, 0), "", weight=weight)(1)
    assert [len(part) for part in (division.train, division.validation, division.test)] == [3, 3, 3]
    assert np.array_equal(division.test[2], weight[division.test_ids])
    with pytest.raises(UsageError, match="data.fingerprint"):
        searched(tmp_path, sample_weight=weight + 1, objective="val_loss", executions=2)


def test_given_test_data_is_kept_and_the_rest_divided(tmp_path):
    result, samples = searched(tmp_path / "given", executions=2, test_data=(X[:30], Y[:30]))
    assert ids_tested(samples, result) == [tuple(range(30))] * 2
    assert len(samples(result.trials[0].trial_id, 1, "validation").ids) == 24


def test_a_process_of_its_own_divides_alike(each, tmp_path):
    result, samples = each
    how = {"executions": 3, "epochs": 2, "tracking": False, "verbose": 0}
    isolated = actsearch.search(built, X, Y, executor="isolated", directory=tmp_path / "isolated", **how)
    here = actsearch.search(built, X, Y, directory=tmp_path / "here", **how)
    assert ids_tested(StoredSamples(isolated.directory), isolated) == ids_tested(samples, result)
    assert [e.score for e in isolated.trials[0].executions] == [e.score for e in here.trials[0].executions]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"splits": "eech"}, "Did you mean 'each'"),
        ({"groups": GROUPS[:-1]}, "groups has 119 entries, but there are 120 samples"),
        ({"groups": np.zeros((120, 2))}, r"groups has the shape \(120, 2\)"),
        ({"splits": "5-fold", "divide": "in_order"}, "train on the future"),
        ({"splits": "each", "validation_data": (X, Y)}, "splits='each' would be ignored"),
        ({"groups": GROUPS, "validation_data": (X, Y)}, "groups would be ignored"),
        ({"scope": "all data"}, "Unknown scope 'all data'"),
    ],
)
def test_what_contradicts_the_division_is_refused_before_training(tmp_path, options, says):
    with pytest.raises(UsageError, match=says):
        searched(tmp_path, **options)


@pytest.mark.parametrize(
    ("first", "then"),
    [({"divide": "random"}, {"divide": "in_order"}), ({"test_data": (X, Y)}, {"test_data": (X + 1, Y)})],
)
def test_another_division_or_test_data_is_another_search(tmp_path, first, then):
    how = {"executions": 1, "epochs": 1}
    searched(tmp_path, **how, **first)
    with pytest.raises(UsageError, match="data.fingerprint"):
        searched(tmp_path, **how, **then)


def test_a_split_that_fails_later_ends_its_executions_alone(tmp_path, monkeypatch):
    original = Splits.__call__

    def call(self, execution):
        if execution == 2:
            raise DataError("one class only")
        return original(self, execution)

    monkeypatch.setattr(Splits, "__call__", call)
    result, _ = searched(tmp_path, executions=3)
    assert [[e.reason for e in trial.executions] for trial in result.trials] == [[None, "one class only", None]] * 2


def test_a_tuner_divides_if_it_is_told_to(tmp_path):
    how = {"epochs": 1, "executions": 2, "tracking": False, "verbose": 0}
    tuner = actsearch.ActivationTuner(built, "val_accuracy", splits="each", directory=tmp_path / "tuner", **how)
    assert tuner.search(X, Y).record.config.splits == "each"
    plain = actsearch.ActivationTuner(built, "val_accuracy", directory=tmp_path / "plain", **how)
    with pytest.raises(UsageError, match='splits="each"'):
        plain.search(X, Y)
