"""Dead and saturated units, signals and gradients: figures against NumPy, kinds of models, and no side effects."""

import copy
import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers as kl

import actsearch.layers as ours
from actsearch.diagnostics import health
from actsearch.diagnostics.health import ActivationHealth, HealthProbe, diagnose
from actsearch.errors import DataError, ModelError
from actsearch.records import Direction, ExecutionRequest, Objective, Status
from actsearch.training.callbacks import need_fit
from actsearch.training.data import TrainingData
from actsearch.training.execution import Executions
from tests.helpers.networks import compiled, small_network

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 5)).astype("float32")
Y = RNG.integers(0, 3, 40)


def classifier(*hidden, **options):
    keras.utils.set_random_seed(1)
    return compiled(keras.Sequential([keras.Input((5,)), *hidden, kl.Dense(3, "softmax", name="head")]), **options)


def pieces(diagnosis):
    return [(site.site, site.activation, site.num_units) for site in diagnosis.sites]


def test_the_figures_are_those_of_numpy():
    model = classifier(
        kl.Dense(7, "relu", name="a", bias_initializer=keras.initializers.Constant([-9.0] + 6 * [-0.5])),
        kl.Dense(6, "tanh", name="b"),
    )
    (k1, b1, k2, b2, k3, b3) = (w.astype("float64") for w in model.get_weights())
    z1 = X @ k1 + b1
    h1 = np.maximum(z1, 0)
    z2 = h1 @ k2 + b2
    h2 = np.tanh(z2)
    logits = h2 @ k3 + b3
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    d3 = (p - np.eye(3)[Y]) / len(X)
    d2 = (d3 @ k3.T) * (1 - h2**2)
    d1 = (d2 @ k2.T) * (z1 > 0)
    found = diagnose(model, X, Y)
    first, second = found.sites
    assert found.num_samples == 40
    assert found.loss == pytest.approx(-np.log(p[np.arange(40), Y]).mean(), rel=1e-5)
    assert first.dead == np.mean((z1 <= 0).all(0))
    assert 0 < first.dead < 1
    assert first.saturated == np.mean((z1 > 0).mean(0) < 0.05)
    assert first.sparsity == np.mean(h1 == 0)
    assert second.saturated == 0
    assert second.sparsity == np.mean(h2 == 0)
    assert second.dead == np.mean(np.abs(d2).mean(0) < 1e-4 * np.abs(d2).mean())
    for site, h, d in ((first, h1, d1), (second, h2, d2)):
        assert site.mean == pytest.approx(h.mean(), rel=1e-4, abs=1e-6)
        assert site.variance == pytest.approx(h.var(), rel=1e-4)
        assert site.variation == pytest.approx(h.var(0).sum() / (h**2).mean(0).sum(), rel=1e-4)
        assert site.gradient_norm == pytest.approx(np.linalg.norm(d), rel=1e-4)
    assert found.gradient_ratio == pytest.approx(np.linalg.norm(d1) / np.linalg.norm(d2), rel=1e-4)
    assert [layer.layer for layer in found.layers] == ["a", "b", "head"]
    assert found.layers[2].gradient_norm == pytest.approx(np.linalg.norm([*(h2.T @ d3), d3.sum(0)]), rel=1e-4)


def test_arguments_layers_and_operations_give_the_same_figures():
    arguments = classifier(kl.Dense(7, "elu"), kl.Dense(6, "tanh"))
    layers = classifier(kl.Dense(7), ours.ELU(), kl.Dense(6), kl.Activation("tanh"))
    inputs = keras.Input((5,))
    hidden = keras.ops.tanh(kl.Dense(6)(keras.ops.elu(kl.Dense(7)(inputs))))
    operations = compiled(keras.Model(inputs, kl.Dense(3, "softmax")(hidden)))

    def figures(model):
        model.set_weights(arguments.get_weights())
        return [(s.dead, s.mean, s.variance, s.gradient_norm) for s in diagnose(model, X, Y).sites]

    np.testing.assert_allclose(figures(layers), figures(arguments), rtol=1e-4)
    np.testing.assert_allclose(figures(operations), figures(arguments), rtol=1e-4)


def everything():
    """Statistics, random generators, regularisation, learned slopes, and random ones."""
    return classifier(
        kl.Dense(8, kernel_regularizer="l2", activity_regularizer="l2"),
        kl.BatchNormalization(),
        ours.PReLU(),
        kl.Dropout(0.3),
        kl.Dense(8),
        ours.RReLU(),
        optimizer=keras.optimizers.AdamW(1e-2, use_ema=True),
    )


def state_of(model):
    variables = [*model.variables, *model.optimizer.variables, *model.metrics_variables]
    return [np.array(v.numpy()) for v in variables]


def test_nothing_of_the_model_changes():
    model = everything()
    model.fit(X, Y, epochs=1, verbose=0)
    before, attributes = state_of(model), [dict(vars(layer)) for layer in model._flatten_layers()]
    probe = HealthProbe(model, X, Y)
    assert probe.measure() == probe.measure()
    for one, other in zip(before, state_of(model), strict=True):
        np.testing.assert_array_equal(one, other)
    assert [vars(layer).keys() for layer in model._flatten_layers()] == [a.keys() for a in attributes]
    assert all(vars(model.layers[i]).get("call") is None for i in range(len(model.layers)))
    assert not model.losses or all(tf.is_tensor(loss) for loss in model.losses)


def test_training_is_the_same_with_the_callback():
    def history(*callbacks):
        return everything().fit(X, Y, epochs=3, batch_size=8, verbose=0, callbacks=list(callbacks)).history

    assert history(ActivationHealth(X, Y, epochs=[1, 2, 3])) == history()


def test_an_error_in_the_model_leaves_no_tap_behind():
    model = classifier(kl.Dense(4, "relu", name="a"))
    activation = model.layers[0].activation
    probe = HealthProbe(model, X[:, :4], Y)
    with pytest.raises(ValueError, match="incompatible"):
        probe.measure()
    assert model.layers[0].activation is activation


def test_convolutions_count_channels():
    keras.utils.set_random_seed(0)
    bias = keras.initializers.Constant([0.0, -100.0])
    model = compiled(
        keras.Sequential(
            [
                keras.Input((6, 6, 1)),
                kl.Conv2D(2, 3, bias_initializer=bias),
                kl.ReLU(),
                kl.Flatten(),
                kl.Dense(3, "softmax"),
            ]
        )
    )
    (site,) = diagnose(model, RNG.normal(size=(10, 6, 6, 1)), Y[:10]).sites
    assert (site.num_units, site.dead) == (2, 0.5)
    assert site.sparsity > 0.5


def test_nested_shared_and_wrapped_activations():
    keras.utils.set_random_seed(0)
    tower = keras.Sequential([keras.Input((4,)), kl.Dense(4, "relu", name="fc")], name="tower")
    left, right, steps = keras.Input((4,)), keras.Input((4,)), keras.Input((3, 4))
    wrapped = kl.Flatten()(kl.TimeDistributed(kl.Dense(2, "elu", name="inner"), name="each")(steps))
    joined = kl.Concatenate()([tower(left), tower(right), wrapped])
    model = compiled(keras.Model([left, right, steps], kl.Dense(3, "softmax")(joined)))
    a, b, c = (RNG.normal(size=shape).astype("float32") for shape in ((10, 4), (10, 4), (10, 3, 4)))
    found = diagnose(model, [a, b, c], Y[:10])
    sites = {site.site: site for site in found.sites}
    assert set(sites) == {"tower/fc", "each/inner"}
    both = np.concatenate([tower(a), tower(b)])
    assert sites["tower/fc"].mean == pytest.approx(both.mean(), rel=1e-5)
    assert sites["tower/fc"].dead == np.mean((both == 0).all(0))


def test_recurrent_activations_are_measured_over_all_steps():
    keras.utils.set_random_seed(0)
    inputs = keras.Input((6, 5))
    x = kl.SimpleRNN(4, return_sequences=True, name="plain")(inputs)
    x = kl.Bidirectional(kl.SimpleRNN(3, activation="relu", name="b"), name="both")(x)
    model = compiled(keras.Model(inputs, kl.Dense(3, "softmax")(x)))
    x = RNG.normal(size=(10, 6, 5)).astype("float32")
    found = diagnose(model, x, Y[:10])
    assert [(s.activation, s.num_units) for s in found.sites] == [("tanh", 4), ("relu", 3)]
    states = keras.Model(inputs, model.layers[1].output)(x).numpy()
    assert found.sites[0].mean == pytest.approx(states.mean(), rel=1e-4)
    assert found.sites[0].gradient_norm > 0
    assert found.unmeasured == ()


class Inner(kl.Layer):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.dense = kl.Dense(4, "relu", name="dense")

    def call(self, x):
        return self.dense(x)

    def build(self, shape):
        self.dense.build(shape)


class InGraph(Inner):
    def call(self, x):
        return tf.function(self.dense)(x)


def test_activations_inside_own_layers():
    assert pieces(diagnose(classifier(Inner(name="own")), X, Y)) == [("own/dense", "relu", 4)]
    found = diagnose(classifier(InGraph(name="own"), kl.Dense(4, "tanh", name="a")), X, Y)
    assert pieces(found) == [("a", "tanh", 4)]
    assert found.unmeasured == ("own/dense",)


class Subclassed(keras.Model):
    def __init__(self, units=1, activation="sigmoid"):
        super().__init__()
        self.first = kl.Dense(6, "sigmoid", name="first")
        self.head = kl.Dense(units, activation, name="head")

    def call(self, x):
        return self.head(self.first(x))


class OwnCode(keras.Model):
    def __init__(self):
        super().__init__()
        self.first = kl.Dense(6)

    def call(self, x):
        return tf.nn.relu(self.first(x))


def test_of_a_subclassed_model_its_layers_are_measured():
    model = compiled(Subclassed(), "binary_crossentropy")
    model(X)
    assert pieces(diagnose(model, X, Y > 1)) == [("first", "sigmoid", 6)]
    model = compiled(OwnCode(), "mse")
    model(X)
    with pytest.raises(ModelError, match="no hidden activation"):
        diagnose(model, X, X)


def test_several_outputs_and_weights():
    keras.utils.set_random_seed(0)
    inputs = keras.Input((5,))
    hidden = kl.Dense(4, "relu", name="h")(inputs)
    model = keras.Model(inputs, {"a": kl.Dense(3, "softmax")(hidden), "b": kl.Dense(1)(hidden)})
    model.compile("adam", {"a": "sparse_categorical_crossentropy", "b": "mse"})
    weight = RNG.random(40).astype("float32")
    y = {"a": Y, "b": X[:, :1]}
    found = diagnose(model, X, y, sample_weight={"a": weight, "b": weight})
    assert found.loss == pytest.approx(
        model.evaluate(X, y, sample_weight={"a": weight, "b": weight}, batch_size=40, verbose=0)[0], rel=1e-5
    )
    assert found.sites[0].gradient_norm > 0


def test_without_targets_nothing_is_said_of_gradients():
    model = keras.Sequential([keras.Input((5,)), kl.Dense(4, "relu"), kl.Dense(4, "relu"), kl.Dense(1)])
    found = diagnose(model, X)
    assert (found.loss, found.gradient_ratio, found.layers) == (None, None, ())
    assert all(site.gradient_norm is None for site in found.sites)
    with pytest.raises(ModelError, match="not compiled"):
        diagnose(model, X, Y)


def test_sites_before_anything_that_is_trained_have_no_gradient():
    model = classifier(kl.Dense(4, "relu", name="a"), kl.Dense(4, "relu", name="b"), kl.Dense(4, "relu", name="c"))
    model.layers[0].trainable = False
    found = diagnose(compiled(model), X, Y)
    assert [site.gradient_norm is None for site in found.sites] == [True, False, False]
    assert [layer.layer for layer in found.layers] == ["b", "c", "head"]


def test_half_precision_has_its_scaled_loss():
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = classifier(kl.Dense(8, "tanh"), kl.Dense(8, "tanh"))
    finally:
        keras.config.set_dtype_policy("float32")
    exact = classifier(kl.Dense(8, "tanh"), kl.Dense(8, "tanh"))
    found, expected = diagnose(model, X, Y), diagnose(exact, X, Y)
    assert type(model.optimizer).__name__ == "LossScaleOptimizer"
    assert found.sites[0].gradient_norm == pytest.approx(expected.sites[0].gradient_norm, rel=0.02)
    assert found.layers[0].gradient_norm == pytest.approx(expected.layers[0].gradient_norm, rel=0.02)


def test_models_that_cannot_be_diagnosed():
    with pytest.raises(ModelError, match="not built"):
        diagnose(compiled(keras.Sequential([kl.Dense(4, "relu"), kl.Dense(3)])), X, Y)
    with pytest.raises(ModelError, match="no hidden activation"):
        diagnose(classifier(), X, Y)
    no_loss = keras.Sequential([keras.Input((5,)), kl.Dense(4, "relu"), kl.Dense(3)])
    no_loss.compile("adam")
    with pytest.raises(ModelError, match="compute_loss"):
        diagnose(no_loss, X, Y)


def test_probes_that_cannot_be():
    model = classifier(kl.Dense(4, "relu"))
    for x, y in ((X, Y[:10]), (X[:0], Y[:0])):
        with pytest.raises(DataError, match="lengths"):
            diagnose(model, x, y)


def test_samples_are_taken_at_even_distances():
    model = classifier(kl.Dense(4, "relu"))
    assert diagnose(model, X, Y, max_samples=8) == diagnose(
        model, X[[0, 5, 11, 16, 22, 27, 33, 39]], Y[[0, 5, 11, 16, 22, 27, 33, 39]]
    )
    assert diagnose(model, tf.constant(X), Y) == diagnose(model, X.astype("float64"), Y)


def test_a_data_set_gives_its_first_batch():
    data = tf.data.Dataset.from_tensor_slices((X, Y)).batch(16)
    model = classifier(kl.Dense(4, "relu"))
    assert diagnose(model, data) == diagnose(model, X[:16], Y[:16])


def test_of_large_images_fewer_samples_are_taken(monkeypatch):
    monkeypatch.setattr(health, "MAX_VALUES", 4 * 8 * 8 * 5)
    monkeypatch.setattr(health, "FEWEST_SAMPLES", 2)
    layers = [kl.Conv2D(4, 3, padding="same", activation="relu"), kl.GlobalAveragePooling2D(), kl.Dense(3, "softmax")]
    for shape in ((8, 8, 1), (None, None, 1)):
        model = compiled(keras.Sequential([keras.Input(shape), *map(copy.deepcopy, layers)]))
        assert diagnose(model, np.ones((20, 8, 8, 1)), Y[:20]).num_samples == 5


def test_a_diagnosis_prints_and_goes_to_json():
    found = HealthProbe(classifier(kl.Dense(4, "relu", name="a"), kl.Dense(4, "elu", name="b")), X, Y).measure(epoch=7)
    lines = str(found).splitlines()
    assert lines[0].startswith("epoch 7, 40 samples, loss ")
    assert lines[1].split() == [
        "site",
        "activation",
        "units",
        "dead",
        "saturated",
        "zero",
        "mean",
        "variance",
        "variation",
        "gradient",
    ]
    assert lines[2].split()[:3] == ["a", "relu", "4"]
    back = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert (back["epoch"], back["gradient_ratio"]) == (7, found.gradient_ratio)
    assert back["sites"][1]["activation"] == "elu"
    assert [issue["severity"] for issue in back["findings"]] == [str(f.severity) for f in found.issues]
    assert set(found.summary) == {"dead", "saturated", "sparsity", "gradient_ratio"}


def test_the_callback_diagnoses_the_first_and_the_last_epoch():
    callback = ActivationHealth(X, Y)
    stop = keras.callbacks.EarlyStopping("loss", patience=0, min_delta=100)
    model = classifier(kl.Dense(4, "relu"))
    model.fit(X, Y, epochs=4, verbose=0, callbacks=[callback])
    assert {epoch: found.epoch for epoch, found in callback.diagnoses.items()} == {1: 1, 4: 4}
    assert callback.diagnoses[1] != callback.diagnoses[4]
    model.fit(X, Y, epochs=9, verbose=0, callbacks=[callback, stop])
    assert list(callback.diagnoses) == [1, 2]
    model.fit(X, Y, epochs=1, verbose=0, callbacks=[callback])
    assert list(callback.diagnoses) == [1]
    chosen = ActivationHealth(X, Y, epochs={2, 3, 30})
    model.fit(X, Y, epochs=5, verbose=0, callbacks=[chosen])
    assert list(chosen.diagnoses) == [2, 3]


def test_executions_with_the_callback_train_compiled(digits):
    x, y = digits
    made = []

    def callbacks():
        made.append(ActivationHealth(x, y))
        return [made[-1]]

    assert not need_fit([ActivationHealth(x, y)])
    assert not need_fit([copy.deepcopy(ActivationHealth(x, y))])
    data, objective = TrainingData(x[:300], y[:300], (x[300:], y[300:])), Objective("val_accuracy", Direction.MAX)
    with_health = Executions(small_network, data, objective, callbacks=callbacks)
    without = Executions(small_network, data, objective)
    for execution in (1, 2):
        request = ExecutionRequest("0", execution, execution, 3, {"activation": "prelu"})
        record = with_health.run(request).record
        assert (record.status, record.trainer) == (Status.COMPLETED, "compiled"), record.reason
        assert record.history == without.run(request).record.history
        assert list(made[-1].diagnoses) == [1, 3]
