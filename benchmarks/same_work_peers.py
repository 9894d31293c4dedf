"""The same work as users of each tool would write it today; one tool and one work a process.

    python benchmarks/same_work_peers.py PEER WORK      # prints one JSON object; `same_work.py` runs them all

Each peer gets the same model, data, activations, number of executions and epochs. The clock starts when everything
is imported and stops when all results are there, in MLflow too where the peer logs to it.
"""

import contextlib
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")

import keras
import numpy as np
import psutil
import tensorflow as tf
from same_works import WORKS, Data, Work, network, plain

OBJECTIVE = "val_accuracy"
OF_SEARCH: dict[str, float] = {}  # what else a search of actsearch took
Scores = dict[str, list[float]]


def trained(work: Work, data: Data, name: str, seed: int) -> dict[str, list[float]]:
    """One execution by `model.fit`; its logs."""
    keras.utils.set_random_seed(seed)
    model = plain(work, name)
    fitted = model.fit(*data.train, validation_data=data.validation, epochs=work.epochs, verbose=0, **data.fit)
    return dict(fitted.history)


def fit_loop(work: Work, data: Data, folder: Path) -> Scores:  # noqa: ARG001
    """`model.fit` in a loop; nothing is logged."""
    return {a: [max(trained(work, data, a, seed)[OBJECTIVE]) for seed in work.seeds] for a in work.activations}


def fit_at_its_best(work: Work, data: Data, folder: Path) -> Scores:  # noqa: ARG001
    """`model.fit` as fast as it gets; nothing is logged."""
    return {a: [max(logs[OBJECTIVE]) for logs in trained_at_best(work, data, a)] for a in work.activations}


def trained_at_best(work: Work, data: Data, name: str) -> list[dict[str, list[float]]]:
    """All executions of one activation: compiled once, an epoch in one call, the next batches prepared meanwhile."""
    model, histories = plain(work, name, data.num_batches), []
    train, validation = data.batched
    for seed in work.seeds:
        restart(work, model, name, seed)
        fitted = model.fit(train, validation_data=validation, epochs=work.epochs, verbose=0)
        histories.append(dict(fitted.history))
    return histories


def restart(work: Work, model: keras.Model, name: str, seed: int) -> None:
    """Draws the weights of a model anew; TensorFlow's seed is set only once, since that discards what was traced."""
    keras.utils.set_random_seed(seed) if seed == 1 else np.random.seed(seed)
    model.set_weights([w.numpy() for w in plain(work, name).weights])
    model.optimizer.build(model.trainable_variables)
    for variable in model.optimizer.variables:
        if variable is not model.optimizer.learning_rate:
            variable.assign(tf.zeros_like(variable))


def by_hand(work: Work, data: Data, folder: Path) -> Scores:  # noqa: ARG001
    """The floor: one traced epoch for each activation, weights drawn anew for each seed; nothing is logged."""
    x, y = (tf.constant(part) for part in data.train)
    x_val, y_val = (tf.constant(part) for part in data.validation)
    return {a: one_by_hand(work, plain(work, a), (x, y), (x_val, y_val), a) for a in work.activations}


def one_by_hand(work: Work, model: keras.Model, train: Any, validation: Any, name: str) -> list[float]:
    """All executions of one activation."""
    size, count, num_validated = work.batch_size, len(train[0]), len(validation[0])

    @tf.function
    def epoch(order: Any) -> Any:
        for start in tf.range(0, count - count % size, size):
            rows = order[start : start + size]
            model.train_step((tf.gather(train[0], rows), tf.gather(train[1], rows)))
        rows = order[count - count % size :]
        model.train_step((tf.gather(train[0], rows), tf.gather(train[1], rows)))
        return model.get_metrics_result()

    @tf.function
    def validate() -> Any:
        for start in tf.range(0, num_validated - num_validated % size, size):
            model.test_step((validation[0][start : start + size], validation[1][start : start + size]))
        rest = num_validated - num_validated % size
        model.test_step((validation[0][rest:], validation[1][rest:]))
        return model.get_metrics_result()

    scores = []
    for seed in work.seeds:
        restart(work, model, name, seed)
        logs = []
        for _ in range(work.epochs):
            model.reset_metrics()
            epoch(tf.constant(np.random.permutation(count).astype("int32")))
            model.reset_metrics()
            logs.append(float(validate()["accuracy"]))
        scores.append(max(logs))
    return scores


def keras_tuner_grid(work: Work, data: Data, folder: Path, *, at_its_best: bool = False) -> Scores:
    """KerasTuner's GridSearch with `executions_per_trial`, and a nested MLflow run for each trial.

    At its best, an epoch is one call, and batches are prepared while others are trained.
    """
    import keras_tuner
    import mlflow

    scores: Scores = {}

    class Tracked(keras_tuner.GridSearch):
        def run_trial(self, trial: Any, *arguments: Any, **options: Any) -> Any:
            with mlflow.start_run(run_name=trial.trial_id, nested=True):
                mlflow.log_params(trial.hyperparameters.values)
                histories = super().run_trial(trial, *arguments, **options)
                name = trial.hyperparameters.get("activation")
                scores[name] = [max(history.history[OBJECTIVE]) for history in histories]
                log_curves([history.history for history in histories])
                mlflow.log_metric(f"mean_{OBJECTIVE}", float(np.mean(scores[name])))
            return histories

    open_store(folder)
    train, validation, options = data.train, data.validation, data.fit
    if at_its_best:
        (*train, validation), options = data.batched, {}
    steps = data.num_batches if at_its_best else 1
    tuner = Tracked(
        lambda hp: plain(work, hp.Choice("activation", list(work.activations)), steps),
        objective=OBJECTIVE,
        executions_per_trial=work.executions,
        directory=str(folder),
        project_name="keras_tuner",
    )
    with mlflow.start_run(run_name="search"):
        tuner.search(*train, validation_data=validation, epochs=work.epochs, verbose=0, **options)
    return scores


def optuna_grid(work: Work, data: Data, folder: Path, *, at_its_best: bool = False) -> Scores:
    """Optuna's GridSampler with `model.fit` in the objective, and a nested MLflow run for each trial."""
    import mlflow
    import optuna

    scores: Scores = {}

    def objective(trial: Any) -> float:
        name = trial.suggest_categorical("activation", list(work.activations))
        with mlflow.start_run(run_name=str(trial.number), nested=True):
            mlflow.log_params(trial.params)
            if at_its_best:
                histories = trained_at_best(work, data, name)
            else:
                keras.backend.clear_session()
                histories = [trained(work, data, name, seed) for seed in work.seeds]
            scores[name] = [max(history[OBJECTIVE]) for history in histories]
            log_curves(histories)
            mlflow.log_metric(f"mean_{OBJECTIVE}", float(np.mean(scores[name])))
        return float(np.mean(scores[name]))

    open_store(folder)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    sampler = optuna.samplers.GridSampler({"activation": list(work.activations)})
    study = optuna.create_study(direction="maximize", sampler=sampler)
    with mlflow.start_run(run_name="search"):
        study.optimize(objective, n_trials=len(work.activations))
    return scores


def open_store(folder: Path) -> None:
    """A fresh store, as everybody's first search has it."""
    import mlflow

    mlflow.set_tracking_uri(f"sqlite:///{folder / 'mlflow.db'}")
    mlflow.create_experiment("same work", artifact_location=(folder / "artifacts").as_uri())
    mlflow.set_experiment("same work")


def log_curves(histories: list[dict[str, list[float]]]) -> None:
    """All curves of a trial in one call."""
    import mlflow
    from mlflow.entities import Metric

    now = int(time.time() * 1000)
    points = [
        Metric(f"{name}_{number}", value, now, epoch)
        for number, history in enumerate(histories, start=1)
        for name, values in history.items()
        for epoch, value in enumerate(values, start=1)
    ]
    client, run = mlflow.MlflowClient(), mlflow.active_run().info.run_id
    for start in range(0, len(points), 1000):
        client.log_batch(run, metrics=points[start : start + 1000])


def chosen(work: Work) -> Callable[[Any], keras.Model]:
    """A build function for actsearch: the same model, with Keras's own initializers as the other peers have them."""
    import actsearch

    def build(hp: Any) -> keras.Model:
        activation = actsearch.choose(hp, {"activations": list(work.activations)})
        return network(work.network, activation.layer)

    return build


def searched(work: Work, data: Data, folder: Path) -> Scores:
    """actsearch as it comes: ledger, MLflow, resources, diagnosis, and weights of the best execution of each trial."""
    return search_with(work, data, folder)


def searched_again(work: Work, data: Data, folder: Path) -> Scores:
    """actsearch once more in the same process, to the same store; the first search is not in the seconds."""
    search_with(work, data, folder, directory=folder / "first")
    return search_with(work, data, folder)


def search_with(work: Work, data: Data, folder: Path, **options: Any) -> Scores:
    """A search of actsearch; its scores. What is around its training is all but the executions."""
    import actsearch

    options = {"directory": folder / "search"} | options
    options |= {} if work.as_dataset else {"batch_size": work.batch_size}
    began = time.perf_counter()
    tuner = actsearch.ActivationTuner(
        chosen(work),
        objective=OBJECTIVE,
        executions=work.executions,
        epochs=work.epochs,
        tracking=actsearch.MLflow(f"sqlite:///{folder / 'mlflow.db'}"),
        **options,
    )
    result = tuner.search(*data.train, validation_data=data.validation)
    seconds = time.perf_counter() - began
    training = sum(e.ended_at - e.started_at for trial in result.trials for e in trial.executions)
    OF_SEARCH.update(seconds=seconds, training_seconds=training, around_share=1 - training / seconds)
    return {trial.activation: list(trial.scores.values()) for trial in result.trials}


def only_trained(work: Work, data: Data, folder: Path) -> Scores:  # noqa: ARG001
    """actsearch's executions with nothing around them: no ledger, MLflow, resources, diagnosis."""
    import keras_tuner

    from actsearch.training.array_loop import order_of
    from actsearch.training.data import TrainingData
    from actsearch.training.model_cache import ModelCache

    keras.utils.set_random_seed(0)
    tensors = TrainingData(*data.train, validation=data.validation).tensors()
    assert tensors is not None
    models = ModelCache(chosen(work))
    scores: Scores = {name: [] for name in work.activations}
    for seed in work.seeds:
        for name in work.activations:
            hp = keras_tuner.HyperParameters()
            hp.values = {"activation": name}
            epochs = models.prepare(hp, seed, tensors, work.batch_size).epochs
            assert epochs is not None
            epochs.start(seed)
            count = epochs.num_samples  # a data set has its own order
            orders = [None if count is None else order_of(seed, epoch, count) for epoch in range(work.epochs)]
            scores[name].append(max(epochs.train(order)[OBJECTIVE] for order in orders))
    return scores


PEERS: dict[str, Callable[[Work, Data, Path], Scores]] = {
    "KerasTuner + MLflow": keras_tuner_grid,
    "KerasTuner at its best + MLflow": partial(keras_tuner_grid, at_its_best=True),
    "Optuna + MLflow": optuna_grid,
    "Optuna at its best + MLflow": partial(optuna_grid, at_its_best=True),
    "model.fit in a loop": fit_loop,
    "model.fit at its best": fit_at_its_best,
    "actsearch": searched,
    "actsearch, training only": only_trained,
    "actsearch, second search": searched_again,
    "by hand": by_hand,
}
_MODULES = {
    "KerasTuner + MLflow": ("keras_tuner", "mlflow"),
    "KerasTuner at its best + MLflow": ("keras_tuner", "mlflow"),
    "Optuna + MLflow": ("optuna", "mlflow"),
    "Optuna at its best + MLflow": ("optuna", "mlflow"),
    "actsearch": ("keras_tuner", "actsearch.tuning.tuner"),
    "actsearch, training only": ("keras_tuner", "actsearch.tuning.tuner"),
    "actsearch, second search": ("keras_tuner", "actsearch.tuning.tuner"),
}


@contextlib.contextmanager
def room() -> Iterator[Path]:
    """A folder for what a peer writes."""
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        yield Path(folder)


def main() -> None:
    """Does one work with one peer."""
    peer, work = sys.argv[1], WORKS[sys.argv[2]]
    for module in _MODULES.get(peer, ()):
        __import__(module)
    data = Data(work)
    tf.constant(0)  # TensorFlow starts its runtime
    with room() as folder, contextlib.redirect_stdout(sys.stderr):
        began, cpu = time.perf_counter(), psutil.Process().cpu_times()
        scores = PEERS[peer](work, data, folder)
        seconds, used = time.perf_counter() - began, psutil.Process().cpu_times()
    whole = time.time() - psutil.Process().create_time()
    spent = used.user + used.system - cpu.user - cpu.system
    run = {"seconds": seconds, "cpu_seconds": spent, "process_seconds": whole, "scores": scores}
    print(json.dumps(run | OF_SEARCH))


if __name__ == "__main__":
    main()
