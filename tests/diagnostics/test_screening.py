"""Which networks cannot learn according to screening, and that training agrees."""

import json

import keras
import pytest

from actsearch.activations import get
from actsearch.activations.initializers import matched_initializer
from actsearch.diagnostics.screening import screen

PASSING = ["relu", "prelu", "elu", "selu", "tanh"]


def network(name, depth, *, seed=0, units=64, bias=0.0, matched=True):
    keras.utils.set_random_seed(seed)
    layers = [keras.Input((64,))]
    for _ in range(depth):
        kernel = matched_initializer(get(name)) if matched else "glorot_uniform"
        biases = keras.initializers.Constant(bias)
        layers += [keras.layers.Dense(units, kernel_initializer=kernel, bias_initializer=biases), get(name).layer()]
    model = keras.Sequential([*layers, keras.layers.Dense(10, "softmax")])
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


@pytest.mark.parametrize("matched", [True, False])
@pytest.mark.parametrize("seed", [0, 1])
def test_twenty_layers_of_sigmoid_are_hopeless_and_three_are_not(digits, seed, matched):
    deep = screen(network("sigmoid", 20, seed=seed, matched=matched), *digits)
    assert deep.hopeless
    assert "Training is hopeless" in str(deep)
    assert "All samples look alike" in str(deep)
    assert deep.figures["gradient_ratio"] < 1e-6
    shallow = screen(network("sigmoid", 3, seed=seed, matched=matched), *digits)
    assert not shallow.hopeless
    assert shallow.reasons == ()
    assert repr(shallow) == "<Screening: no obstacle to training found>"
    assert repr(shallow.diagnosis).startswith("<Diagnosis: ")
    assert shallow.diagnosis._repr_html_().count("<tr>") == len(shallow.diagnosis.sites) + 1
    assert str(shallow).startswith("No obstacle to training found (largest_dead 0, gradient_ratio")


@pytest.mark.parametrize("units", [16, 64])
@pytest.mark.parametrize("name", PASSING)
def test_twenty_layers_of_what_passes_a_gradient_are_not_hopeless(digits, name, units):
    for seed in range(2):
        screening = screen(network(name, 20, seed=seed, units=units), *digits)
        assert not screening.hopeless, screening
        assert 0.05 < screening.figures["gradient_ratio"] < 20


def test_a_layer_without_a_living_unit_is_hopeless(digits):
    screening = screen(network("relu", 3, bias=-3.0), *digits)
    assert screening.hopeless
    assert screening.figures == {"largest_dead": 1.0}
    assert "100% of its 64 units learn from none" in str(screening)


def test_figures_and_reasons_go_to_json(digits):
    found = json.loads(json.dumps(screen(network("sigmoid", 20), *digits).to_dict(), allow_nan=False))
    assert found["hopeless"]
    assert found["figures"]["largest_dead"] == 0
    assert len(found["diagnosis"]["sites"]) == 20
    assert {issue["severity"] for issue in found["diagnosis"]["findings"]} == {"error", "warning"}


@pytest.mark.slow
def test_training_agrees(digits):
    x, y = digits
    best = {}
    for name, depth in [("sigmoid", 20), ("sigmoid", 3), ("prelu", 20), ("tanh", 20)]:
        history = network(name, depth).fit(x, y, epochs=15, batch_size=16, verbose=0).history
        best[name, depth] = max(history["accuracy"])
    assert best.pop(("sigmoid", 20)) < 0.15
    assert min(best.values()) > 0.5, best
