"""What tests share beside fixtures: a small network, its executions, and the runs of a store."""

import keras
import keras_tuner

import actsearch
from actsearch.records import Direction, ExecutionRequest, Objective
from actsearch.training.execution import Executions, Trained

ACCURACY = Objective("val_accuracy", Direction.MAX)


def small_network(hp, space="relu_variants"):
    """A build function as a user would write it."""
    activation = actsearch.choose(hp, space)
    model = keras.Sequential(
        [
            keras.Input((64,)),
            keras.layers.Dense(16, kernel_initializer=activation.initializer()),
            activation.layer(),
            activation.dropout(0.1),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def compiled(model, loss="sparse_categorical_crossentropy", optimizer="adam"):
    """A model, compiled as these tests want it."""
    model.compile(optimizer, loss, metrics=["accuracy"])
    return model


def request(activation="relu", *, execution=1, seed=5, epochs=3, **values) -> ExecutionRequest:
    """One execution of a small network."""
    return ExecutionRequest("0", execution, seed, epochs, {"activation": activation, **values})


def run(data, *requests, build=small_network, objective=ACCURACY, **options) -> list[Trained]:
    """What executions leave that run one after the other, as those of one search do."""
    executions = Executions(build, data, objective, **options)
    return [executions.run(each) for each in requests]


def hyperparameters(activation) -> keras_tuner.HyperParameters:
    """As a build function gets them for an activation."""
    hp = keras_tuner.HyperParameters()
    hp.values = {"activation": activation}
    return hp


def runs_of(store, level=None) -> list:
    """All runs that were drawn, or those of a level: search, trial, execution."""
    experiments = [e.experiment_id for e in store.search_experiments()]
    runs = store.search_runs(experiments, max_results=5000)
    return [r for r in runs if level is None or r.data.tags["actsearch.level"] == level]
