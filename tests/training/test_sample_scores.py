"""Sample scores: their mean is the score, and their spread is that of the metric for samples drawn anew."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from actsearch.training import model_cache
from actsearch.training.model_cache import forward_of
from actsearch.training.sample_scores import sample_scores, scores_of_parts

N = 400
RNG = np.random.default_rng(0)
X = RNG.normal(size=(N, 3)).astype("float32")
LABELS = (X[:, 0] + RNG.normal(size=N) > 0.5).astype("float32")[:, None]
CLASSES = RNG.integers(0, 3, N)
NUMBERS = (X[:, :1] + RNG.normal(size=(N, 1))).astype("float32")

CASES = {
    "accuracy": ("sigmoid", 1, "binary_crossentropy", "accuracy", LABELS),
    "loss": ("sigmoid", 1, "binary_crossentropy", "accuracy", LABELS),
    "auc": ("sigmoid", 1, "binary_crossentropy", lambda: keras.metrics.AUC(name="auc"), LABELS),
    "precision": ("sigmoid", 1, "binary_crossentropy", lambda: keras.metrics.Precision(name="precision"), LABELS),
    "f1_score": ("sigmoid", 1, "binary_crossentropy", lambda: keras.metrics.F1Score(threshold=0.5), LABELS),
    "sparse_top_k": (
        "softmax",
        3,
        "sparse_categorical_crossentropy",
        lambda: keras.metrics.SparseTopKCategoricalAccuracy(2, name="sparse_top_k"),
        CLASSES,
    ),
    "mae": (None, 1, "mse", "mae", NUMBERS),
    "r2_score": (None, 1, "mse", lambda: keras.metrics.R2Score(), NUMBERS),
    "root_mean_squared_error": (None, 1, "mse", lambda: keras.metrics.RootMeanSquaredError(), NUMBERS),
}


SOME = ("accuracy", "auc", "r2_score")  # a mean, one over ranks, one of numbers


def trained(activation, units, loss, metric, y, regularizer=None):
    keras.utils.set_random_seed(1)
    layers = [keras.layers.Dense(8, "relu", kernel_regularizer=regularizer), keras.layers.Dense(units, activation)]
    model = keras.Sequential([keras.Input((3,)), *layers])
    model.compile(keras.optimizers.Adam(0.03), loss, metrics=[metric() if callable(metric) else metric])
    model.fit(X, y, epochs=3, verbose=0)
    return model


def logs_of(model, y, rows=slice(None)):
    return model.evaluate(X[rows], y[rows], batch_size=N, verbose=0, return_dict=True)


@pytest.mark.parametrize(
    "name", [name if name in SOME else pytest.param(name, marks=pytest.mark.slow) for name in CASES]
)
def test_the_mean_is_the_score_and_the_spread_is_that_of_the_bootstrap(name):
    *how, y = CASES[name]
    model = trained(*how, y)
    score = logs_of(model, y)[name]
    found = sample_scores(model, name, (tf.constant(X), tf.constant(y)), model(X), score)
    assert found.values.mean() == pytest.approx(score, abs=1e-5)
    drawn = np.random.default_rng(1).integers(0, N, (120, N))
    again = [logs_of(model, y, rows)[name] for rows in drawn]
    assert found.values.std() / np.sqrt(N) == pytest.approx(np.std(again), rel=0.3)  # 120 draws: 6.5 % each


def test_regularization_is_the_same_for_each_sample():
    model = trained(None, 1, "mse", "mae", NUMBERS, regularizer="l2")
    found = sample_scores(model, "loss", (X, NUMBERS), model(X), logs_of(model, NUMBERS)["loss"])
    errors = (model(X).numpy() - NUMBERS)[:, 0] ** 2
    np.testing.assert_allclose(found.values - found.values.mean(), errors - errors.mean(), atol=1e-4)


def test_weights_of_test_samples_count_in_the_loss():
    model = trained(None, 1, "mse", "mae", NUMBERS)
    weights = np.linspace(0, 2, N, dtype="float32")
    score = model.evaluate(X, NUMBERS, sample_weight=weights, batch_size=N, verbose=0, return_dict=True)["loss"]
    found = sample_scores(model, "loss", (X, NUMBERS, weights), model(X), score)
    assert found.values.mean() == pytest.approx(score, rel=1e-4)
    assert found.values[0] == pytest.approx(
        score - np.mean((model(X).numpy() - NUMBERS)[:, 0] ** 2 * weights), abs=1e-3
    )


class Largest(keras.metrics.Metric):
    """A metric that ignores weights."""

    def __init__(self):
        super().__init__(name="largest")
        self.value = self.add_weight(name="value", initializer="zeros")

    def update_state(self, y_true, y_pred, sample_weight=None):
        self.value.assign(keras.ops.maximum(self.value, keras.ops.max(keras.ops.abs(y_true - y_pred))))

    def result(self):
        return self.value


class OwnSteps(keras.Sequential):
    def test_step(self, data):
        return super().test_step(data)


def test_what_has_no_parts_or_an_unknown_meaning_has_no_sample_scores():
    model = trained(None, 1, "mse", Largest, NUMBERS)
    logs = logs_of(model, NUMBERS)
    assert sample_scores(model, "largest", (X, NUMBERS), model(X), logs["largest"]) is None
    assert sample_scores(model, "of_a_callback", (X, NUMBERS), model(X), 0.5) is None
    assert sample_scores(model, "loss", (X, NUMBERS), model(X), 2 * logs["loss"] + 1) is None
    own = OwnSteps([keras.Input((3,)), keras.layers.Dense(1)])
    own.compile("adam", "mse")
    assert sample_scores(own, "loss", (X, NUMBERS), own(X), 1.0) is None


def test_of_several_outputs_the_named_one_counts():
    inputs = keras.Input((3,))
    outputs = {"a": keras.layers.Dense(1, name="a")(inputs), "b": keras.layers.Dense(1, name="b")(inputs)}
    model = keras.Model(inputs, outputs)
    model.compile("adam", "mse", metrics={"a": ["mae"], "b": ["mae"]})
    y = {"a": NUMBERS, "b": -NUMBERS}
    logs = logs_of_all(model, y)
    for name in ("a_mae", "b_mae", "loss"):
        found = sample_scores(model, name, (X, y), model(X), logs[name])
        assert found.values.mean() == pytest.approx(logs[name], rel=1e-4)


def logs_of_all(model, y):
    model.fit(X, y, epochs=1, verbose=0)
    return model.evaluate(X, y, batch_size=N, verbose=0, return_dict=True)


def test_what_fails_is_told_and_what_is_too_large_is_left_out(monkeypatch):
    inputs = {name: keras.Input((2,), name=name) for name in ("a", "b")}
    model = keras.Model(inputs, keras.layers.Dense(1)(inputs["a"] + inputs["b"]))
    model.compile(loss="mse")
    x = {name: tf.ones((8, 2)) for name in ("a", "b")}
    score = model.evaluate(x, tf.ones((8, 1)), verbose=0)
    forward = forward_of(model, x, 4)
    parts = {"test": ((x, tf.ones((8, 1))), score), "validation": (({"a": x["a"]}, tf.ones((8, 1))), score)}
    with pytest.warns(UserWarning, match="scores of single validation samples are unknown"):
        found = scores_of_parts(model, forward, "loss", parts, {})
    assert list(found) == ["test"]
    monkeypatch.setattr(model_cache, "MAX_OUTPUT_BYTES", 31)
    assert forward.over(x) is None
    assert scores_of_parts(model, forward, "loss", {"test": parts["test"]}, {}) == {}
