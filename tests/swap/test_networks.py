"""The command line's models: their layers, and the effect of the search space on them."""

import pickle
import subprocess
import sys
from typing import Any

import keras
import keras_tuner
import numpy as np
import pytest

from actsearch import swap
from actsearch.errors import ModelError, UnknownNameError
from actsearch.spaces import SearchSpace, choices_on
from actsearch.swap.networks import NetworkOptions, network_builder, output_for

DIGITS = output_for("multiclass", 10)
SHAPE = (8, 8, 1)


def space(*activations: Any, **settings: Any) -> SearchSpace:
    return SearchSpace(activations=activations or ("relu",), **settings)


def built(kind: str, shape: tuple[int, ...] = SHAPE, *, with_space: SearchSpace | None = None, **options: Any) -> Any:
    build = network_builder(kind, with_space or space(), shape, DIGITS, NetworkOptions(**options))
    return build(keras_tuner.HyperParameters())


def kinds(model: Any) -> list[str]:
    return [type(layer).__name__ for layer in model.layers]


def test_mlp_is_linear_then_norm_then_activation_then_dropout() -> None:
    model = built("mlp", layers=2, units=5, dropout=0.1, batch_norm=True)
    hidden = ["Dense", "BatchNormalization", kinds(built("mlp", layers=1))[2], "Dropout"]
    assert kinds(model) == ["Flatten", *hidden, *hidden, "Dense"]
    assert all(layer.activation is keras.activations.linear for layer in model.layers if layer.name.startswith("dense"))
    assert model.layers[1].units == 5


def test_mlp_of_a_table_needs_no_flattening() -> None:
    assert "Flatten" not in kinds(built("mlp", (30,)))


def test_cnn_pools_while_the_image_is_large_enough() -> None:
    model = built("cnn", layers=3, units=4)
    shapes = [layer.output.shape[1] for layer in model.layers if type(layer).__name__ == "Conv2D"]
    assert shapes == [8, 4, 2]
    assert kinds(model).count("MaxPooling2D") == 2
    assert kinds(model)[-2:] == ["GlobalAveragePooling2D", "Dense"]
    assert built("cnn", (3, 3, 1), layers=3).output_shape == (None, 10)


def test_cnn_takes_grey_images_without_a_channel() -> None:
    assert kinds(built("cnn", (8, 8)))[0] == "Reshape"


@pytest.mark.parametrize("kind", ["mlp", "cnn"])
@pytest.mark.parametrize("batch_norm", [False, True])
def test_kernels_are_matched_to_the_activation_and_the_output_is_not(kind: str, batch_norm: bool) -> None:
    model = built(kind, with_space=space("selu"), batch_norm=batch_norm, dropout=0.1)
    *hidden, output = [layer for layer in model.layers if hasattr(layer, "kernel_initializer")]
    assert len(hidden) == NetworkOptions().layers
    for layer in hidden:
        assert layer.kernel_initializer.scale == pytest.approx(1.0, rel=1e-3)
        assert layer.kernel_initializer.mode == "fan_in"
    assert type(output.kernel_initializer).__name__ == "GlorotUniform"
    assert kinds(model).count("AlphaDropout") == len(hidden)


def test_kernels_of_relu_are_as_he_says() -> None:
    assert built("mlp").layers[1].kernel_initializer.scale == pytest.approx(2.0, rel=1e-3)


def test_without_matching_all_is_as_keras_has_it() -> None:
    model = built("mlp", with_space=space("selu", matching=False), dropout=0.1)
    assert type(model.layers[1].kernel_initializer).__name__ == "GlorotUniform"
    assert "AlphaDropout" not in kinds(model)


def test_hyperparameters_of_the_space_replace_the_options() -> None:
    varied = {"layers": [1, 2], "units": 7, "dropout": [0.2, 0.5], "learning_rate": 0.01, "optimizer": ["sgd"]}
    build = network_builder("mlp", space(hyperparameters={**varied, "batch_norm": True}), (4,), DIGITS)
    hp = keras_tuner.HyperParameters()
    hp.values.update(layers=2, dropout=0.5)
    model = build(hp)
    assert kinds(model).count("BatchNormalization") == 2
    assert [layer.units for layer in model.layers if hasattr(layer, "units")] == [7, 7, 10]
    assert [layer.rate for layer in model.layers if hasattr(layer, "rate")] == [0.5, 0.5]
    assert type(model.optimizer).__name__ == "SGD"
    assert float(model.optimizer.learning_rate) == pytest.approx(0.01)


def test_batch_size_is_left_to_the_training() -> None:
    hp = keras_tuner.HyperParameters()
    network_builder("mlp", space(hyperparameters={"batch_size": [16, 64]}), (4,), DIGITS)(hp)
    assert hp.get("batch_size") == 16


@pytest.mark.parametrize(
    ("kind", "sites", "names"),
    [
        ("mlp", "shared", {None}),
        ("mlp", "per_layer", {"layer_1", "layer_2", "layer_3", "layer_4"}),
        ("mlp", "per_block", {"block_1"}),
        ("cnn", "shared", {None}),
        ("cnn", "per_layer", {"layer_1", "layer_2", "layer_3", "layer_4"}),
        ("cnn", "per_block", {"block_1", "block_2", "block_3"}),
    ],
)
def test_sites_have_the_names_that_were_promised(kind: str, sites: str, names: set[str | None]) -> None:
    hp = keras_tuner.HyperParameters()
    network_builder(kind, space("relu", "elu", sites=sites), SHAPE, DIGITS, NetworkOptions(layers=4))(hp)
    assert set(choices_on(hp)) == names


def test_each_layer_has_the_activation_of_its_site() -> None:
    hp = keras_tuner.HyperParameters()
    hp.values.update({"activation.layer_1": "elu", "activation.layer_2": "relu"})
    build = network_builder("mlp", space("relu", "elu", sites="per_layer"), (4,), DIGITS, NetworkOptions(layers=2))
    x = np.array([[-1.0, 2.0, 0.5, 0.0]], dtype=np.float32)
    _, first, _, second, _ = build(hp).layers
    assert np.array(first(x)).min() == pytest.approx(np.expm1(-1))
    assert np.array(second(x)).min() == 0.0


def test_learned_activations_are_new_in_each_layer() -> None:
    model = built("mlp", with_space=space("prelu"), layers=2)
    assert len(model.trainable_variables) == 8


@pytest.mark.parametrize("kind", ["mlp", "cnn"])
def test_a_baseline_learns(kind: str) -> None:
    keras.utils.set_random_seed(0)
    x = np.random.default_rng(0).normal(size=(64, *SHAPE)).astype(np.float32)
    x[:32] += 1.0
    y = (np.arange(64) < 32).astype(np.int32)
    options = NetworkOptions(layers=1, units=8, learning_rate=0.03)
    build = network_builder(kind, space("selu"), SHAPE, output_for("binary"), options)
    history = build(keras_tuner.HyperParameters()).fit(x, y, epochs=12, verbose=0).history
    assert history["loss"][-1] < history["loss"][0] / 2


def test_a_keras_tuner_finds_the_hyperparameters_in_it(tmp_path: Any) -> None:
    build = network_builder("mlp", space("relu", "elu"), (4,), DIGITS)
    oracle = keras_tuner.oracles.GridSearchOracle(objective=keras_tuner.Objective("val_accuracy", "max"))
    tuner = keras_tuner.Tuner(oracle, build, directory=tmp_path, overwrite=True)
    assert [p.name for p in tuner.oracle.get_space().space] == ["activation"]


def test_it_survives_pickling() -> None:
    build = pickle.loads(pickle.dumps(network_builder("cnn", space("relu"), SHAPE, DIGITS)))
    assert build(keras_tuner.HyperParameters()).output_shape == (None, 10)


def test_an_unknown_kind_names_the_others() -> None:
    with pytest.raises(
        UnknownNameError, match=r"Unknown model 'mpl'\. Did you mean 'mlp'\? Known: PATH\.keras, cnn, mlp, package"
    ):
        network_builder("mpl", space(), SHAPE, DIGITS)


def test_cnn_needs_images() -> None:
    with pytest.raises(ModelError, match=r"A cnn needs images of shape .* have the shape \(30,\)\. Use the model mlp"):
        network_builder("cnn", space(), (30,), DIGITS)


@pytest.mark.parametrize(
    ("hyperparameters", "message"),
    [
        ({"unit": 3}, r"search space custom: Unknown hyperparameter 'unit'\. Did you mean 'units'\?"),
        ({"units": {"min": 0, "max": 8}}, "search space custom: units must be an integer of at least 1, not 0"),
        ({"layers": [1.5, 2.0]}, r"layers must be an integer of at least 1, not 1\.5"),
        ({"dropout": [0.0, 1.0]}, r"dropout must be at least 0 and below 1, not 1\.0"),
        ({"learning_rate": [-0.1, 0.1]}, r"learning_rate must be a number above 0, not -0\.1"),
        ({"batch_norm": "yes"}, "batch_norm must be true or false, not 'yes'"),
        ({"optimizer": ["adam", "adm"]}, r"Unknown optimizer 'adm'\. Did you mean 'adam'\?"),
    ],
)
def test_hyperparameters_that_cannot_be_are_found_before_training(
    hyperparameters: dict[str, Any], message: str
) -> None:
    with pytest.raises((ModelError, UnknownNameError), match=message):
        network_builder("mlp", space(hyperparameters=hyperparameters), SHAPE, DIGITS)


def test_importing_the_package_loads_no_keras() -> None:
    code = "import sys; from actsearch.swap import output_for, network_builder; assert 'keras' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_every_name_of_the_package_is_there() -> None:
    assert all(callable(getattr(swap, name)) for name in swap.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = swap.nothing
