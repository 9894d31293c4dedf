"""A whole search through `ActivationTuner`, into a real ledger and a real MLflow store."""

import keras
import keras_tuner
import numpy as np
import pytest
from mlflow import MlflowClient

import actsearch
from actsearch.errors import SearchFailedError
from actsearch.ledger import End, Kind, Ledger, parse
from actsearch.records import Status
from actsearch.tuning.progress import Silent
from tests.helpers.networks import small_network
from tests.helpers.searches import CLASSIC, classic, run_search, tuner_for
from tests.helpers.tracking import runs_of


@pytest.fixture(scope="module")
def logged(digits, empty_store, tmp_path_factory):
    """A whole search, and the store that it was written to."""
    folder = tmp_path_factory.mktemp("logged")
    (folder / "mlflow.db").write_bytes(empty_store)
    uri = f"sqlite:///{folder / 'mlflow.db'}"
    result = run_search(tuner_for(directory=str(folder / "found"), tracking=actsearch.MLflow(uri)), digits)
    return result, MlflowClient(uri)


def test_every_trial_and_execution_has_a_run_under_its_own(logged):
    result, store = logged
    [search] = runs_of(store, "search")
    trials = runs_of(store, "trial")
    executions = runs_of(store, "execution")
    assert [len(t.executions) for t in result.trials] == [2] * 5
    assert (len(trials), len(executions)) == (5, 10)
    assert result.mlflow_run_id == search.info.run_id
    assert {r.data.tags["mlflow.parentRunId"] for r in trials} == {search.info.run_id}
    assert {r.data.tags["mlflow.parentRunId"] for r in executions} == {r.info.run_id for r in trials}


def test_every_run_is_finished(logged):
    assert {run.info.status for run in runs_of(logged[1])} == {"FINISHED"}


def test_a_trials_run_has_its_scores_and_costs(logged):
    result, store = logged
    for trial in result.trials:
        run = store.get_run(result.mlflow["trial_run_ids"][trial.trial_id]).data
        assert run.params["activation"] == trial.activation
        assert run.metrics["best_val_accuracy"] == pytest.approx(trial.mean_score, rel=1e-3)  # has four digits
        assert run.metrics["best_val_accuracy_sd"] == pytest.approx(trial.sd_score, rel=1e-3)
        assert run.metrics["num_executions"] == 2
        costs = {"train_seconds", "cpu_seconds", "training_memory_mib", "inference_microseconds", "num_parameters"}
        assert costs <= set(run.metrics)
        assert "peak_rss_mib" not in run.metrics


def test_an_executions_run_has_its_curve(logged):
    result, store = logged
    one = result.trials[0].executions[0]
    names = {"actsearch.trial_id": one.trial_id, "actsearch.execution": "1"}
    [run] = [r for r in runs_of(store, "execution") if names.items() <= r.data.tags.items()]
    curve = store.get_metric_history(run.info.run_id, "val_loss")
    assert [(p.step, p.value) for p in curve] == list(enumerate(one.history["val_loss"], start=1))


def test_the_searchs_run_says_what_was_searched_and_with_what(logged):
    [search] = runs_of(logged[1], "search")
    assert "relu" in search.data.tags["mlflow.note.content"]
    assert search.data.tags["actsearch.version.tensorflow"]
    assert search.data.params["data_fingerprint"]


def test_executions_go_seed_by_seed(digits, without_mlflow):
    run_search(tuner_for(classic, executions=3), digits)
    executions = [f for f in Ledger("found").facts() if f.kind is Kind.EXECUTION]
    assert [f.key.split("/")[1] for f in executions] == ["1", "1", "2", "2", "3", "3"]
    seeds = {e.execution: e.seed for t in Ledger("found").read().trials for e in t.executions}
    assert len(set(seeds.values())) == 3
    for trial in Ledger("found").read().trials:
        assert {e.execution: e.seed for e in trial.executions} == seeds


@pytest.mark.slow
def test_the_same_seed_gives_the_same_numbers(digits, without_mlflow):
    def scores(**options):
        result = run_search(tuner_for(**options), digits)
        return [[(e.score, e.test_score, e.history) for e in t.executions] for t in result.trials]

    one = scores(directory="one")
    assert scores(directory="two") == one
    assert scores(directory="three", seed=1) != one


def test_the_best_model_is_the_one_that_was_scored(digits, without_mlflow):
    x, y = digits
    result = run_search(tuner_for(classic), digits)
    best = max(result.best.executions, key=lambda e: e.score)
    measured = result.best_model().evaluate(x[300:450], y[300:450], verbose=0, return_dict=True)
    assert measured["accuracy"] == pytest.approx(best.score, abs=1e-6)


@pytest.mark.slow
def test_keras_tuners_own_questions_are_answered(digits, without_mlflow):
    tuner = tuner_for(classic)
    result = run_search(tuner, digits)
    assert tuner.get_best_hyperparameters()[0].values["activation"] == result.best.activation
    trial = tuner.oracle.get_best_trials()[0]
    assert trial.score == pytest.approx(result.best.mean_score)
    assert isinstance(tuner.get_best_models()[0], keras.Model)


@pytest.mark.slow
def test_the_frame_has_a_row_for_each_execution(digits, without_mlflow):
    frame = run_search(tuner_for(classic), digits).to_frame()
    assert len(frame) == 4
    assert {"trial_id", "activation", "execution", "seed", "status", "objective", "train_seconds", "reason"} <= set(
        frame
    )


def sometimes_bad(hp):
    model = small_network(hp, CLASSIC)
    if hp.values["activation"] == "tanh":
        model.compile(keras.optimizers.SGD(float("nan")), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def test_a_failing_activation_does_not_end_the_search(digits, store):
    result = run_search(tuner_for(sometimes_bad), digits)
    status = {t.activation: t.status for t in result.trials}
    assert status == {"relu": Status.COMPLETED, "tanh": Status.FAILED}
    assert result.best.activation == "relu"
    failed = [r for r in runs_of(store) if r.info.status == "FAILED"]
    assert sorted(r.data.tags["actsearch.level"] for r in failed) == ["execution", "execution", "trial"]
    assert all("nan" in r.data.tags["actsearch.reason"] for r in failed)


@pytest.mark.slow
def test_more_failures_than_keras_tuner_bears(digits, without_mlflow):
    space = {"activations": ["relu", "elu", "selu", "tanh", "gelu"]}

    def build(hp):
        if hp.values.get("activation", "relu") != "relu":
            raise ValueError("only relu here")
        return small_network(hp, space)

    result = run_search(
        tuner_for(lambda hp: small_network(hp, space) if not hp.values else build(hp), executions=1), digits
    )
    assert [t.status for t in result.trials].count(Status.FAILED) == 4
    assert result.best.activation == "relu"


def test_a_search_where_nothing_completed_is_an_error(digits, store):
    def build(hp):
        model = small_network(hp, CLASSIC)
        model.compile(keras.optimizers.SGD(float("nan")), "sparse_categorical_crossentropy", metrics=["accuracy"])
        return model

    with pytest.raises(SearchFailedError, match="None of the 4 executions completed.*\n.*nan"):
        run_search(tuner_for(build), digits)
    assert {r.info.status for r in runs_of(store, "execution")} == {"FAILED"}


class Interrupt(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        raise KeyboardInterrupt


def test_an_interrupted_search_leaves_nothing_running(digits, store):
    tuner = tuner_for(classic)
    with pytest.raises(KeyboardInterrupt):
        run_search(tuner, digits, callbacks=[Interrupt()])
    end = parse(next(f for f in Ledger("found").facts() if f.kind is Kind.END), End)
    assert end.how == "interrupted"
    assert {r.info.status for r in runs_of(store)} == {"KILLED"}
    assert Ledger("found").read().best is None


def test_overwriting_deletes_the_search_that_is_there(digits, without_mlflow):
    run_search(tuner_for(classic, executions=1), digits)
    result = run_search(tuner_for(classic, executions=2, overwrite=True), digits)
    assert (
        [len(t.executions) for t in Ledger("found").read().trials]
        == [2, 2]
        == [len(t.executions) for t in result.trials]
    )


def test_overwriting_leaves_other_files_alone(digits, without_mlflow, tmp_path):
    run_search(tuner_for(classic, executions=1), digits)
    (tmp_path / "found" / "notes.txt").write_text("mine")
    tuner_for(classic, overwrite=True)
    assert (tmp_path / "found" / "notes.txt").read_text() == "mine"


@pytest.mark.slow
@pytest.mark.parametrize("oracle", ["random", "bayesian", "hyperband"])
def test_keras_tuners_oracles_by_name(digits, without_mlflow, oracle):
    def build(hp):
        hp.Float("unused", 0.0, 1.0)
        return small_network(hp, CLASSIC)

    limit = {} if oracle == "hyperband" else {"max_trials": 3}  # hyperband derives it
    result = run_search(tuner_for(build, oracle=oracle, executions=1, epochs=3, **limit), digits)
    assert len(result.trials) >= 3
    if oracle == "hyperband":
        assert {e.epochs for t in result.trials for e in t.executions} == {1, 3}


@pytest.mark.slow
def test_a_keras_tuner_oracle_of_the_users_own(digits, without_mlflow):
    oracle = keras_tuner.oracles.RandomSearchOracle(keras_tuner.Objective("val_accuracy", "max"), max_trials=2, seed=3)
    assert len(run_search(tuner_for(classic, oracle=oracle, executions=1), digits).trials) == 2


class OwnHyperModel(keras_tuner.HyperModel):
    fitted = 0

    def build(self, hp):
        return small_network(hp, CLASSIC)

    def fit(self, hp, model, *args, **options):
        type(self).fitted += 1
        return model.fit(*args, **options)


def test_a_hypermodel_with_its_own_fit(digits, without_mlflow):
    OwnHyperModel.fitted = 0
    result = run_search(tuner_for(OwnHyperModel(), executions=1), digits)
    assert OwnHyperModel.fitted == 2
    assert {e.trainer for t in result.trials for e in t.executions} == {"fit"}


def test_a_build_function_that_knows_nothing_of_us(digits, without_mlflow):
    def build(hp):
        name = hp.Choice("activation", ["relu", "selu"])
        model = keras.Sequential([keras.Input((64,)), keras.layers.Dense(8, name), keras.layers.Dense(10, "softmax")])
        model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
        return model

    result = run_search(tuner_for(build, executions=1), digits)
    assert [t.activation for t in result.trials] == ["relu", "selu"]
    assert result.record.baseline == "relu"


@pytest.mark.slow
def test_mlflows_own_variables_are_honoured(digits, empty_store, tmp_path, monkeypatch):
    from mlflow import MlflowClient

    (tmp_path / "other.db").write_bytes(empty_store)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///other.db")
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "of my own")
    result = run_search(tuner_for(classic, executions=1), digits)
    client = MlflowClient(f"sqlite:///{tmp_path / 'other.db'}")
    assert (
        client.get_run(result.mlflow_run_id).info.experiment_id
        == client.get_experiment_by_name("of my own").experiment_id
    )
    assert not (tmp_path / "mlflow.db").exists()


def test_search_divides_the_data_itself(digits, without_mlflow):
    x, y = digits
    result = actsearch.search(classic, x, y, epochs=1, executions=1, verbose=0, directory="found")
    assert len(result.trials) == 2
    assert result.best.executions[0].test_score is not None


def test_activations_for_each_layer(digits, without_mlflow):
    def build(hp):
        model = keras.Sequential([keras.Input((64,))])
        for site in ("one", "two"):
            activation = actsearch.choose(hp, "per_layer", site=site)
            model.add(keras.layers.Dense(8, kernel_initializer=activation.initializer()))
            model.add(activation.layer())
        model.add(keras.layers.Dense(10, "softmax"))
        model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
        return model

    result = run_search(tuner_for(build, executions=1, epochs=1, max_trials=4), digits)
    assert len(result.trials) == 4
    assert result.trials[0].activation == result.record.baseline == "relu"
    assert any("→" in t.activation for t in result.trials)


@pytest.mark.slow
def test_numbers_of_numpy_are_written_too(digits, without_mlflow):
    x, y = digits
    result = actsearch.search(
        classic, x.astype("float64"), y.astype(np.int64), epochs=1, executions=1, verbose=0, directory="found"
    )
    assert result.best is not None


def test_advice_is_given_first(digits, without_mlflow):
    class Heard(Silent):
        def __init__(self):
            self.said = []

        def message(self, text):
            self.said.append(text)

    def build(hp):
        actsearch.choose(hp, CLASSIC)
        hidden = keras.layers.Dense(8, activation="selu", kernel_initializer="he_uniform")
        model = keras.Sequential([keras.Input((64,)), hidden, keras.layers.Dense(10, activation="softmax")])
        model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
        return model

    heard = Heard()
    run_search(tuner_for(build, executions=1, epochs=1, verbose=heard), digits)
    assert any(text.startswith("advice:") and "lecun" in text.lower() for text in heard.said), heard.said


def test_hyperparameters_that_only_some_trials_have_are_searched(digits, without_mlflow):
    def build(hp):
        activation = actsearch.choose(hp, {"activations": ["relu"]})
        model = keras.Sequential([keras.Input((64,))])
        for number in range(hp.Choice("layers", [1, 2])):
            model.add(keras.layers.Dense(hp.Choice(f"units_{number}", [4, 8])))
            model.add(activation.layer())
        model.add(keras.layers.Dense(10, activation="softmax"))
        model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
        return model

    result = run_search(tuner_for(build, executions=1, epochs=1), digits)
    tried = [t.hyperparameters for t in result.trials]
    assert {v["units_1"] for v in tried if v["layers"] == 2} == {4, 8}
    assert {v["units_0"] for v in tried if v["layers"] == 2} == {4, 8}


@pytest.mark.slow
def test_long_labels_are_drawn(digits, store):
    def build(hp):
        model = keras.Sequential([keras.Input((64,))])
        for number in range(25):
            activation = actsearch.choose(
                hp, {"activations": ["leaky_relu", "parametric_selu"], "sites": "per_layer"}, site=f"s{number}"
            )
            if number == 0:
                model.add(activation.layer())
        model.add(keras.layers.Dense(10, activation="softmax"))
        model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
        return model

    result = run_search(tuner_for(build, oracle="random", max_trials=2, executions=1, epochs=1), digits)
    assert "problem" not in result.mlflow
    assert max(len(t.activation) for t in result.trials) > 250


def test_it_is_called_as_every_tutorial_of_keras_tuner_calls_one(digits, store):
    x, y = digits
    tuner = actsearch.ActivationTuner(
        classic,
        "val_accuracy",
        executions_per_trial=2,
        directory="my_dir",
        project_name="intro",
        overwrite=True,
        verbose=0,
    )
    stop = keras.callbacks.EarlyStopping("val_loss", patience=1)
    result = tuner.search(x[:300], y[:300], epochs=2, validation_data=(x[300:], y[300:]), callbacks=[stop])
    assert tuner.executions_per_trial == 2
    assert [len(t.executions) for t in result.trials] == [2, 2]
    assert (tmp := result.directory).parts[-2:] == ("my_dir", "intro"), tmp
    assert isinstance(tuner.get_best_hyperparameters(1)[0], keras_tuner.HyperParameters)


def test_without_tracking_nothing_is_written_to_mlflow(digits, tmp_path):
    result = run_search(tuner_for(classic, executions=1, epochs=1, tracking=False), digits)
    assert result.mlflow == {}
    assert not (tmp_path / "mlflow.db").exists()
    assert result.best_model() is not None


def test_auto_says_where_executions_run(digits, without_mlflow):
    said = []

    class Listening(Silent):
        def message(self, text):
            said.append(text)

    result = run_search(tuner_for(classic, epochs=1, executions=1, executor="auto", verbose=Listening()), digits)
    [message] = [text for text in said if text.startswith("executor: ")]
    assert message.startswith("executor: one process, since ")
    assert "workers" not in result.record.environment
