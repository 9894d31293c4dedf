"""A model that is trained on all data, for as many epochs as the executions say."""

from dataclasses import replace

import keras
import keras_tuner
import numpy as np
import pytest
import tensorflow as tf

import actsearch
from actsearch.config import SearchConfig
from actsearch.errors import ExecutionFailedError, SearchFailedError, UnknownNameError, UsageError
from actsearch.training.refit import plan_refit
from actsearch.tuning.result import SearchResult
from tests.helpers.factories import execution, search, trial

N = 90


def build(hp):
    activation = hp.Choice("activation", ["relu", "elu"])
    dense = keras.layers.Dense(4, activation)
    model = keras.Sequential([keras.Input((3,)), dense, keras.layers.Dropout(0.2), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(0.01), "mse")
    return model


def data():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(N, 3)).astype("float32")
    return x, x.sum(axis=1, keepdims=True)


def with_best_epochs(*epochs, budget=20):
    made = trial("1", "elu", [0.3] * len(epochs))
    executions = tuple(
        replace(e, best_epoch=best, epochs=budget) for e, best in zip(made.executions, epochs, strict=True)
    )
    return replace(made, executions=executions)


def result_with(*trials, **options):
    config = SearchConfig(seed=3, batch_size=16)
    return SearchResult(search(trials, config=config), ".", build=build, **options)


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """A search of two activations."""
    return actsearch.search(
        build, *data(), epochs=4, executions=2, batch_size=16, tracking=False, verbose=0, objective="val_loss",
        directory=tmp_path_factory.mktemp("found"),
    )  # fmt: skip


def num_steps(model):
    return int(model.optimizer.iterations.numpy())


def test_the_recommended_trial_is_trained_on_all_data_for_the_median_best_epoch(found, capsys):
    best = {t.trial_id: t for t in found.trials}[found.verdict.recommended]
    epochs = round(np.median([e.best_epoch for e in best.executions]))
    model = found.refit(*data())
    assert model.layers[0].activation.__name__ == best.activation
    assert num_steps(model) == epochs * -(-N // 16)
    said = capsys.readouterr().err
    assert said.startswith(f"Training {best.activation} (trial {best.trial_id}) on all data for {epochs} epochs, ")
    assert "No score of this model is known" in said
    assert model.compiled
    again = found.refit(*data(), verbose=0)
    for one, other in zip(model.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_another_trial_is_trained_on_request(found):
    other = next(t for t in found.trials if t.trial_id != found.verdict.recommended)
    model = found.refit(*data(), trial_id=other.trial_id, verbose=0)
    assert model.layers[0].activation.__name__ == other.activation
    with pytest.raises(UnknownNameError, match="Unknown trial 'nine'"):
        found.refit(*data(), trial_id="nine")


def test_weights_and_data_sets_are_taken_as_by_a_search():
    x, y = data()
    result = result_with(with_best_epochs(3))
    plain = result.refit(x, y, verbose=0).get_weights()
    none = result.refit(x, y, sample_weight=np.zeros(N), verbose=0)
    start = keras.ops.convert_to_numpy(none.layers[0].kernel)
    assert not np.array_equal(plain[0], start)
    batches = tf.data.Dataset.from_tensor_slices((x, y)).batch(30)
    assert num_steps(result.refit(batches, verbose=0)) == 3 * 3
    seen = []
    call = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, _: seen.append(epoch))
    result.refit(x, y, callbacks=[call], verbose=0)
    assert seen == [0, 1, 2]


@pytest.mark.parametrize(
    ("best", "epochs"),
    [((1,), 1), ((3, 9, 4), 4), ((3, 6), 4), ((20, 20, 20), 20)],
)
def test_the_number_of_epochs_is_the_median(best, epochs):
    made = with_best_epochs(*best)
    plan = plan_refit(search([made]), made)
    assert (plan.epochs, plan.num_executions) == (epochs, len(best))


def test_executions_with_a_part_of_the_epochs_do_not_count():
    made = with_best_epochs(12, 14)
    early = execution(3, "1", epochs=5, best_epoch=5, score=0.2)
    made = replace(made, executions=(*made.executions, early))
    assert plan_refit(search([made]), made).epochs == 13


def test_the_seed_is_none_of_the_executions():
    made = with_best_epochs(2, 2)
    record = search([made], config=SearchConfig(seed=5))
    from actsearch.records import execution_seed

    assert plan_refit(record, made).seed not in {execution_seed(5, n) for n in range(1, 100)}


def test_what_cannot_be_trained_is_said(tmp_path):
    x, y = data()
    result = result_with(with_best_epochs(2))
    with pytest.raises(UsageError, match=r"Pass it: actsearch.load_result\(directory, build=...\)"):
        replace(result, build=None).refit(x, y)
    with pytest.raises(SearchFailedError, match="No execution of trial 2 .* completed"):
        result_with(with_best_epochs(2), trial("2", "selu", [None])).refit(x, y, trial_id="2")
    with pytest.raises(SearchFailedError, match="None of the 1 executions completed"):
        result_with(trial("2", "selu", [None])).refit(x, y)
    for name, value in {"validation_data": (x, y), "validation_split": 0.2, "epochs": 3, "batch_size": 8}.items():
        with pytest.raises(UsageError, match=f"refit does not take {name}: .* Omit it."):
            result.refit(x, y, **{name: value})
    with pytest.raises(UsageError, match="Did you mean 'sample_weight'"):
        result.refit(x, y, sample_weigth=y)


def test_a_loss_that_is_not_finite_is_an_error():
    x, y = data()
    with pytest.raises(ExecutionFailedError, match="elu, trained on all data: loss is (nan|inf) in the end"):
        result_with(with_best_epochs(2)).refit(x, y * 1e30, verbose=0)


class Own(keras_tuner.HyperModel):
    def build(self, hp):
        return build(hp)

    def fit(self, hp, model, *args, **options):
        return model.fit(*args, **options)


def test_the_users_own_fit_is_not_called():
    result = replace(result_with(with_best_epochs(7)), build=Own().build)
    with pytest.raises(UsageError, match="Call it yourself, for 7 epochs"):
        result.refit(*data(), verbose=0)
