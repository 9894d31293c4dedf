"""Each network of the atlas builds for what it can read, and actsearch finds its activations."""

import numpy as np
import pytest

import actsearch
from actsearch.swap import SearchedModel, output_for
from actsearch.swap.sites import SiteKind
from atlas.networks import FITS, NETWORKS, OPTIMIZERS, Shape, make_model

SAMPLES = {"table": (7,), "image": (8, 8, 1), "signal": (24, 1), "text": (12,)}
SITES = {"mlp": 6, "residual_mlp": 6, "cnn": 6, "residual_cnn": 6, "lstm": 2, "transformer": 2}


def model_of(network, kind, normalisation="none", bias=0.0, depth=6):
    shape = Shape(depth, 16, normalisation, bias)
    model = make_model(network, shape, SAMPLES[kind], text=kind == "text", output=output_for("multiclass", 3))
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


@pytest.mark.parametrize(("network", "kind"), [(network, kind) for network in NETWORKS for kind in FITS[network]])
def test_a_network_has_its_sites(network, kind):
    model = model_of(network, kind)
    hidden = [site for site in actsearch.find_sites(model) if site.kind is SiteKind.HIDDEN]
    assert len(hidden) == SITES[network]
    assert {site.activation for site in hidden} == {"relu"}
    x = np.ones((2, *SAMPLES[kind]), "int32" if kind == "text" else "float32")
    assert model(x).shape == (2, 3)


@pytest.mark.parametrize("network", ["mlp", "residual_mlp", "cnn", "residual_cnn", "lstm", "transformer"])
def test_all_activations_are_exchanged_and_initializers_matched(network):
    model = model_of(network, "table" if network.endswith("mlp") else "signal")
    swapped = actsearch.swap_activations(model, "prelu")
    names = [site.activation for site in actsearch.find_sites(swapped) if site.kind is SiteKind.HIDDEN]
    assert names == ["prelu"] * SITES[network]
    space = actsearch.SearchSpace(activations=["relu", "selu"])
    assert len(SearchedModel(model, space).matching({"activation": "selu"})) >= SITES[network]


@pytest.mark.parametrize("network", ["mlp", "cnn"])
def test_a_normalisation_precedes_each_activation(network):
    kinds = [type(layer).__name__ for layer in model_of(network, "image", normalisation="batch").layers]
    before = [kinds[number - 1] for number, kind in enumerate(kinds) if kind == "Activation"]
    assert before == ["BatchNormalization"] * 6


def test_biases_start_where_the_situation_says():
    swapped = actsearch.swap_activations(model_of("mlp", "table", bias=-1.0), "selu")
    biases = [np.unique(layer.bias.numpy()).tolist() for layer in swapped.layers if hasattr(layer, "bias")]
    assert biases == [[-1.0]] * 6 + [[0.0]]


def test_optimizers_take_the_rate():
    assert [float(make(0.25).learning_rate.numpy()) for make in OPTIMIZERS.values()] == [0.25] * len(OPTIMIZERS)
