"""The initializers and dropouts of a swap, and their descriptions in the report."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers as kl

from actsearch.swap.plan import plan_swap
from actsearch.swap.swap import swap_activations

HE = "variance_scaling(2, fan_in, truncated_normal)"


def net(*layers: kl.Layer, shape: tuple[int, ...] = (4,)) -> keras.Model:
    return keras.Sequential([keras.Input(shape), *layers, kl.Dense(1, name="last")])


@pytest.mark.parametrize(
    ("shape", "layer"),
    [
        ((64,), kl.Dense(256, activation="relu")),
        ((64, 32), kl.Conv1D(64, 3, activation="relu")),
        ((16, 16, 32), kl.Conv2D(64, 3, groups=2, activation="relu")),
        ((8, 8, 8, 8), kl.Conv3D(16, 3, activation="relu")),
        ((16, 16, 64), kl.DepthwiseConv2D(3, depth_multiplier=2, activation="relu")),
        ((64, 64), kl.DepthwiseConv1D(5, activation="relu")),
        ((16, 16, 64), kl.SeparableConv2D(48, 3, activation="relu")),
        ((12, 12, 64), kl.Conv2DTranspose(16, 4, strides=2, activation="relu")),
        ((12, 12, 16), kl.Conv2DTranspose(64, 3, activation="relu")),
    ],
)
@pytest.mark.parametrize("name", ["relu", "selu"])
def test_a_matched_layer_keeps_the_variance(shape: tuple[int, ...], layer: kl.Layer, name: str) -> None:
    """What came through the activation leaves the next layer with variance 1, before its own activation."""
    keras.utils.set_random_seed(3)
    inputs = keras.Input(shape)
    model = keras.Model(inputs, kl.Dense(1, name="last")(kl.Flatten(name="flat")(layer(inputs))))
    new = swap_activations(model, name)
    function = getattr(keras.ops, name)
    signal = function(np.random.default_rng(0).standard_normal((32, *shape)).astype("float32"))
    inner = new.get_layer(layer.name)(signal)
    if "Transpose" in type(layer).__name__ or "same" in str(layer.get_config().get("padding")):
        inner = inner[:, 4:-4, 4:-4]
    assert np.mean(np.square(inner)) == pytest.approx(1.0, rel=0.25)


def described(model: keras.Model, name: Any, **options: Any) -> dict[str, str]:
    return dict(plan_swap(model, name, **options).matching)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: net(kl.Dense(4, activation="tanh", name="a")), HE),
        (lambda: net(kl.Dense(4, name="a"), kl.BatchNormalization(), kl.Dropout(0.1), kl.ELU()), HE),
        (lambda: net(kl.TimeDistributed(kl.Dense(4, activation="elu"), name="a"), shape=(3, 4)), HE),
        (
            lambda: net(kl.Dense(4, activation="tanh", name="a", kernel_initializer="he_normal")),
            "unchanged: the model chose HeNormal",
        ),
        (
            lambda: net(kl.Dense(4, "tanh", name="a", kernel_initializer=keras.initializers.GlorotUniform(1))),
            "unchanged: the model chose GlorotUniform",
        ),
        (lambda: net(kl.SimpleRNN(4, name="a"), kl.ReLU(), shape=(3, 4)), "unchanged: none is matched for SimpleRNN"),
    ],
)
def test_the_initializer_of_the_feeding_layer(make: Callable[[], keras.Model], text: str) -> None:
    assert described(make(), "relu") == {"a.initializer": text}
    assert described(make(), "relu", match=False) == {}


def test_a_sum_of_branches_changes_no_initializer() -> None:
    inputs = keras.Input((4,))
    x = kl.Add()([kl.Dense(4)(inputs), inputs])
    assert described(keras.Model(inputs, kl.Dense(1)(kl.ReLU()(x))), "elu") == {}


def test_a_layer_that_feeds_different_activations_keeps_its_initializer() -> None:
    inputs = keras.Input((4,))
    x = kl.Dense(4, name="a")(inputs)
    model = keras.Model(inputs, kl.Concatenate()([kl.Dense(1)(kl.ReLU(name=name)(x)) for name in ("r", "s")]))
    assert described(model, {"r": "elu", "s": "selu"}) == {
        "a.initializer": "unchanged: it feeds several activations (elu, selu)"
    }


def test_the_model_has_the_initializers_that_the_report_names() -> None:
    model = net(kl.Dense(4, activation="tanh", name="a"), kl.Dense(4, "tanh", name="b", kernel_initializer="zeros"))
    matched, off = swap_activations(model, "selu"), swap_activations(model, "selu", match=False)
    scaling = matched.get_layer("a").kernel_initializer
    assert (type(scaling), scaling.mode) == (keras.initializers.VarianceScaling, "fan_in")
    assert scaling.scale == pytest.approx(1.0, rel=1e-6)
    kinds = [type(layer.kernel_initializer).__name__ for layer in (*matched.layers[2:3], off.get_layer("a"))]
    assert kinds == ["Zeros", "GlorotUniform"]
    assert type(matched.get_layer("last").kernel_initializer) is keras.initializers.GlorotUniform


def with_dropout(kind: type) -> keras.Model:
    return net(
        kl.Conv1D(4, 1, activation="relu"),
        kl.MaxPooling1D(),
        kind(0.3, seed=5, name="d"),
        kl.Flatten(),
        kl.Dense(4, name="linear"),
        kind(0.2, name="after_linear"),
        shape=(4, 3),
    )


def test_dropout_becomes_what_the_activation_asks_for() -> None:
    plain, alpha = with_dropout(kl.Dropout), with_dropout(kl.AlphaDropout)
    assert plan_swap(plain, "selu").dropouts == {"d": "AlphaDropout"}
    assert plan_swap(alpha, "elu").dropouts == {"d": "Dropout"}
    for model, name in ((plain, "elu"), (alpha, "selu")):
        assert plan_swap(model, name).dropouts == {}
    assert plan_swap(plain, "selu", match=False).dropouts == {}
    new = swap_activations(plain, "selu")
    assert type(new.get_layer("d")) is kl.AlphaDropout
    assert (new.get_layer("d").rate, new.get_layer("d").seed) == (0.3, 5)
    assert type(new.get_layer("after_linear")) is kl.Dropout


def test_dropout_after_several_branches_changes_only_where_all_agree() -> None:
    inputs = keras.Input((4,))
    branches = [kl.Dense(4, activation="relu", name=name)(inputs) for name in ("a", "b")]
    model = keras.Model(inputs, kl.Dense(1)(kl.Dropout(0.1, name="d")(kl.Concatenate()(branches))))
    assert plan_swap(model, "selu").dropouts == {"d": "AlphaDropout"}
    assert plan_swap(model, {"a": "selu"}).dropouts == {}
    assert plan_swap(model, {"a": "selu", "b": "elu"}).dropouts == {}


def test_learned_activations_share_by_channel_where_the_channels_are() -> None:
    first = {"data_format": "channels_first"}
    inputs = keras.Input((3, 8, 8))
    x = kl.Conv2D(5, 3, activation="relu", name="argument", **first)(inputs)
    x = kl.BatchNormalization(axis=1)(kl.Conv2D(5, 3, padding="same", **first)(x))
    x = kl.ReLU(name="layer")(kl.Dropout(0.1)(x))
    x = keras.ops.relu(kl.Add()([x, kl.MaxPooling2D(1, **first)(x)]))
    x = kl.ReLU(name="permuted")(kl.Permute((2, 3, 1))(x))
    x = kl.Conv2D(6, 3, activation="relu", name="last", data_format="channels_last")(x)
    model = keras.Model(inputs, kl.Dense(2)(kl.Dense(4, "relu")(kl.GlobalAveragePooling2D()(x))))
    for name in ("prelu", "mpelu"):
        new = swap_activations(model, name)
        shapes = [tuple(v.shape) for v in new.trainable_variables if v.path.rpartition("/")[2] in ("slope", "alpha")]
        assert shapes == [(5, 1, 1)] * 3 + [(5,), (6,), (4,)]


def test_a_series_with_channels_first_trains_and_is_saved(tmp_path: Path) -> None:
    first = {"data_format": "channels_first"}
    layers = [kl.MaxPooling1D(1, **first), kl.ReLU(), kl.GlobalAveragePooling1D(**first), kl.Dense(1)]
    model = keras.Sequential([keras.Input((3, 7)), *layers])
    model.compile("sgd", "mse")
    new = swap_activations(model, "prelu")
    new.fit(np.random.default_rng(0).normal(size=(8, 3, 7)), np.ones((8, 1)), verbose=0)
    slopes = new.layers[1].learned[0]
    assert tuple(slopes.shape) == (3, 1)
    assert (slopes.numpy() != 0.25).all()
    new.save(tmp_path / "new.keras")
    loaded = keras.models.load_model(tmp_path / "new.keras")
    np.testing.assert_array_equal(loaded.layers[1].learned[0], slopes)
