"""The objective of a search whose user named none, and the direction of a model's metrics."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from actsearch.errors import UsageError
from actsearch.records import Direction, Objective
from actsearch.training.objectives import can_validate, default_objective, directions_of, objective_of

X, Y = np.ones((8, 4), "float32"), np.arange(8) % 3


def compiled(loss="sparse_categorical_crossentropy", **options):
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, activation="softmax")])
    model.compile("sgd", loss, **options)
    return model


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"metrics": ["accuracy"]}, "val_accuracy"),
        ({"metrics": ["acc"]}, "val_acc"),
        ({"weighted_metrics": ["acc"]}, "val_acc"),
        ({"metrics": [keras.metrics.SparseCategoricalAccuracy()]}, "val_sparse_categorical_accuracy"),
        ({"metrics": [keras.metrics.SparseCategoricalAccuracy(name="my_acc")]}, "val_my_acc"),
        ({"metrics": [keras.metrics.SparseTopKCategoricalAccuracy(2)]}, "val_loss"),
        ({"metrics": [keras.metrics.SparseCategoricalCrossentropy()]}, "val_loss"),
        ({}, "val_loss"),
    ],
)
def test_the_default_is_what_the_model_logs(options, name):
    model = compiled(**options)
    objective = default_objective(model)
    assert objective.name == name
    assert name in model.fit(X, Y, validation_data=(X, Y), verbose=0).history
    assert objective.reason


def test_of_several_outputs_it_is_the_total_loss_and_says_so():
    inputs = keras.Input((4,))
    outputs = {name: keras.layers.Dense(1, name=name)(inputs) for name in ("size", "weight")}
    model = keras.Model(inputs, outputs)
    model.compile("sgd", "mse", metrics={"size": ["accuracy"]})
    objective = default_objective(model)
    assert objective == Objective("val_loss", Direction.MIN)
    assert "size, weight" in objective.reason


class OwnStep(keras.Model):
    """A model whose step decides what is logged."""

    logged = ("loss",)

    def __init__(self):
        super().__init__()
        self.inner = keras.layers.Dense(4)
        self.inner.build((None, 4))

    def train_step(self, data):
        return dict.fromkeys(self.logged, tf.reduce_mean(self.inner(data)))


class Validated(OwnStep):
    logged = ("score", "reconstruction_loss")

    def test_step(self, data):
        return self.train_step(data)


def own(kind, **options):
    model = kind()
    model.compile("sgd", **options)
    return model


def test_of_steps_of_the_users_own_it_is_what_they_log():
    assert default_objective(own(Validated), lambda: X).name == "val_reconstruction_loss"
    objective = default_objective(own(OwnStep), lambda: X)
    assert objective.name == "loss"
    assert "no usable test_step" in objective.reason
    assert (can_validate(own(Validated), lambda: X), can_validate(own(OwnStep), lambda: X)) == (True, False)


def test_steps_that_log_nothing_known_need_an_objective():
    model = own(Validated)
    model.logged = ("score",)
    with pytest.raises(UsageError, match="log val_score, none of which"):
        default_objective(model, lambda: X)


def test_directions_follow_from_keras_classes():
    metrics = [
        keras.metrics.F1Score(name="mystery"),
        keras.metrics.FalsePositives(name="hits"),
        keras.metrics.MeanIoU(2, name="own_loss"),
        keras.metrics.RootMeanSquaredError(name="r2"),
        "mae",
    ]
    model = compiled(metrics=metrics)
    assert {name: str(direction) for name, direction in directions_of(model).items()} == {
        "mystery": "max",
        "hits": "min",
        "own_loss": "max",
        "r2": "min",
    }
    assert objective_of(model, "val_hits").direction is Direction.MIN
    assert objective_of(model, "val_hits:max").direction is Direction.MAX
