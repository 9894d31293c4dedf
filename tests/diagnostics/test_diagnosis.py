"""What a diagnosis reports for networks with a problem."""

import json

import keras
from keras import layers as kl

from actsearch.activations import get
from actsearch.activations.initializers import matched_initializer
from actsearch.diagnostics.health import diagnose
from tests.helpers.networks import compiled


def the_one(diagnosis):
    assert len(diagnosis.issues) == 1, diagnosis
    return diagnosis.issues[0]


def digit_network(activation, depth, *, units=32, loss="sparse_categorical_crossentropy", optimizer="adam", **options):
    keras.utils.set_random_seed(0)
    hidden = [kl.Dense(units, activation, **options) for _ in range(depth)]
    return compiled(keras.Sequential([keras.Input((64,)), *hidden, kl.Dense(10, "softmax")]), loss, optimizer)


def test_vanishing_gradients_are_named(digits):
    found = diagnose(digit_network("sigmoid", 20), *digits)
    assert found.gradient_ratio < 1e-9
    assert [str(issue.severity) for issue in found.issues] == ["error", "error"]
    assert "The gradient vanishes" in found.issues[1].message
    assert "19 × sigmoid" in found.issues[1].message
    assert "All samples look alike" in found.issues[0].message
    assert diagnose(digit_network("sigmoid", 3), *digits).issues == ()


def test_exploding_gradients_are_named(digits):
    found = diagnose(digit_network("relu", 12, kernel_initializer=keras.initializers.RandomNormal(stddev=1.0)), *digits)
    assert found.gradient_ratio > 1e3
    assert any(f.severity == "warning" and "gradient explodes" in f.message for f in found.issues)


def test_saturation_is_named(digits):
    wide = keras.initializers.RandomNormal(stddev=5.0)
    found = diagnose(digit_network("tanh", 2, kernel_initializer=wide), *digits)
    assert [(f.severity, "saturated" in f.message) for f in found.issues] == [("warning", True)] * len(found.issues)
    assert found.sites[0].saturated > 0.5
    assert found.sites[0].dead < 0.1


def test_a_dead_layer_is_an_error(digits):
    biases = keras.initializers.Constant(-100.0)
    found = diagnose(digit_network("relu", 2, bias_initializer=biases), *digits)
    assert {site.dead for site in found.sites} == {1.0}
    assert all(
        f.severity == "error" and "dying ReLU" in f.message and "No gradient passes" in f.message for f in found.issues
    )


def test_numbers_that_are_not_finite(digits):
    model = digit_network("relu", 2, optimizer=keras.optimizers.SGD(1e30))
    model.fit(*digits, epochs=1, verbose=0)
    found = diagnose(model, *digits)
    issue = the_one(found)
    assert (issue.severity, issue.site) == ("error", found.sites[0].site)
    assert "no longer finite" in issue.message
    assert json.loads(json.dumps(found.to_dict(), allow_nan=False))["sites"][0]["mean"] is None


def test_a_loss_without_a_gradient(digits):
    issue = the_one(diagnose(digit_network("elu", 2, loss=lambda y, p: 1 + 0 * keras.ops.sum(p, -1)), *digits))
    assert issue.severity == "error"
    assert "receives no gradient" in issue.message


def biased_network(name):
    keras.utils.set_random_seed(0)
    entry, bias = get(name), keras.initializers.Constant(-0.5)
    hidden = []
    for _ in range(3):
        hidden += [kl.Dense(64, kernel_initializer=matched_initializer(entry), bias_initializer=bias), entry.layer()]
    model = keras.Sequential([keras.Input((64,)), *hidden, kl.Dense(10, "softmax")])
    return compiled(model, optimizer=keras.optimizers.Adam(0.03))


def test_a_high_learning_rate_and_negative_biases_kill_relu_and_no_leaky_unit(digits):
    """benchmarks/dying_relu.py has more seeds."""
    dead = {}
    for name in ("relu", "leaky_relu", "prelu", "elu"):
        network = biased_network(name)
        network.fit(*digits, epochs=2, verbose=0)
        found = diagnose(network, *digits)
        dead[name] = found.summary["dead"]
        assert any("dying ReLU" in f.message for f in found.issues) == (name == "relu")
    assert dead["relu"] > 0.5
    assert dead["leaky_relu"] == dead["prelu"] == dead["elu"] == 0
