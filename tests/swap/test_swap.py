"""Swapping the activations of a model changes nothing else."""

import math
import threading
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers as kl

from actsearch.activations import second_moment
from actsearch.activations.bound import bind
from actsearch.errors import ModelError
from actsearch.layers import PReLU
from actsearch.swap.sites import find_sites
from actsearch.swap.swap import swap_activations
from tests.helpers.networks import assert_same_outputs, uniform


def mlp(**last: Any) -> keras.Model:
    return keras.Sequential(
        [
            keras.Input((4,), name="x"),
            kl.Dense(6, activation="relu", name="a"),
            kl.Dense(5, activation="tanh", name="b"),
            kl.Dense(3, activation="softmax", name="head", **last),
        ],
        name="mlp",
    )


def test_an_argument_becomes_a_layer_of_its_own_and_names_stay() -> None:
    model = mlp()
    new = swap_activations(model, "prelu")
    assert [layer.name for layer in new.layers] == ["a", "a_activation", "b", "b_activation", "head"]
    assert (new.name, new.inputs[0].name) == ("mlp", "x")
    paths = [variable.path for variable in new.trainable_variables]
    slopes = ["mlp/a_activation/slope", "mlp/b_activation/slope"]
    assert sorted(paths) == sorted([*slopes, *(variable.path for variable in model.trainable_variables)])


def test_the_old_model_is_not_touched() -> None:
    model = mlp()
    before, config = [np.array(w) for w in model.get_weights()], model.get_config()
    new = swap_activations(model, "elu", keep_weights=True)
    new.set_weights([w + 1 for w in new.get_weights()])
    assert model.get_config() == config
    assert all(np.array_equal(x, y) for x, y in zip(before, model.get_weights(), strict=True))
    assert [layer.output.name for layer in model.layers]


def test_a_mapping_replaces_the_named_sites_only() -> None:
    new = swap_activations(mlp(), {"b": bind("leaky_relu", slope=0.3)})
    found = {s.name: (s.activation, s.parameters) for s in find_sites(new)}
    assert found == {"a": ("relu", {}), "b_activation": ("leaky_relu", {"slope": 0.3}), "head": ("softmax", {})}


def test_a_name_that_is_taken_gets_a_number() -> None:
    model = keras.Sequential(
        [keras.Input((4,)), kl.Dense(4, activation="relu", name="a"), kl.Dense(4, name="a_activation"), kl.Dense(1)]
    )
    assert [layer.name for layer in swap_activations(model, "elu").layers][:3] == [
        "a",
        "a_activation_1",
        "a_activation",
    ]


def test_weights_are_drawn_anew_or_kept() -> None:
    model = mlp()
    fresh, kept = swap_activations(model, "elu"), swap_activations(model, "elu", keep_weights=True)
    for name in ("a", "b", "head"):
        old = model.get_layer(name).kernel
        assert np.array_equal(old, kept.get_layer(name).kernel)
        assert not np.array_equal(old, fresh.get_layer(name).kernel)


def test_a_learned_activation_that_is_replaced_starts_anew() -> None:
    model = keras.Sequential(
        [keras.Input((3, 4)), kl.TimeDistributed(PReLU(name="p"), name="each"), PReLU(name="q"), kl.Dense(1)]
    )
    for layer in model.layers:
        layer.set_weights([w + 0.5 for w in layer.get_weights()])
    new = swap_activations(model, {"each/p": "prelu"}, keep_weights=True)
    assert [float(layer.get_weights()[0][0]) for layer in new.layers[:2]] == [0.25, 0.75]


def test_regularizers_constraints_and_dtypes_are_kept() -> None:
    model = keras.Sequential(
        [
            keras.Input((4,)),
            kl.Dense(
                4,
                activation="relu",
                name="a",
                kernel_regularizer="l2",
                bias_constraint="non_neg",
                activity_regularizer=keras.regularizers.L1(0.5),
            ),
            kl.ReLU(name="b", activity_regularizer="l2"),
            kl.Dense(3, activation="relu", name="c", dtype="mixed_float16"),
            kl.Dense(1),
        ]
    )
    new = swap_activations(model, "prelu", keep_weights=True)
    a, split, b, c, c_split = new.layers[:5]
    assert isinstance(a.kernel_regularizer, keras.regularizers.L2)
    assert isinstance(a.bias_constraint, keras.constraints.NonNeg)
    assert a.activity_regularizer is None
    assert split.activity_regularizer.l1 == 0.5
    assert isinstance(b.activity_regularizer, keras.regularizers.L2)
    policies = [layer.dtype_policy.name for layer in (a, split, b, c, c_split)]
    assert policies == ["float32"] * 3 + ["mixed_float16"] * 2
    same = swap_activations(model, "relu", keep_weights=True)
    x = uniform(5, 4)
    assert_same_outputs(model, same, x)
    for before, after in zip(model.losses, same.losses, strict=True):
        np.testing.assert_allclose(before, after, rtol=1e-6)


def test_trainable_flags_are_kept_and_frozen_layers_keep_their_weights() -> None:
    base = keras.Sequential([keras.Input((4,)), kl.Dense(4, "relu", name="c"), kl.Dense(4, name="d")], name="base")
    inputs = keras.Input((4,))
    model = keras.Model(inputs, kl.Dense(1, name="head")(kl.ReLU(name="r")(base(inputs))))
    base.trainable = False
    base.get_layer("d").trainable = True
    model.get_layer("r").trainable = False
    new = swap_activations(model, "prelu", include_frozen=True)
    flags = {layer.name: layer.trainable for layer in new._flatten_layers(include_self=False)}
    expected = {"base": False, "c": False, "c_activation": False, "d": True, "r": False, "head": True}
    assert {name: flags[name] for name in expected} == expected
    assert [v.path for v in new.trainable_variables] == [v.path for v in model.trainable_variables]
    assert np.array_equal(base.get_layer("c").kernel, new.get_layer("base").get_layer("c").kernel)
    assert not np.array_equal(model.get_layer("head").kernel, new.get_layer("head").kernel)


def test_compile_settings_are_kept_and_the_optimizer_is_fresh() -> None:
    inputs = keras.Input((4,))
    x = kl.Dense(4, activation="relu")(inputs)
    model = keras.Model(inputs, {"p": kl.Dense(2, "softmax", name="p")(x), "q": kl.Dense(1, name="q")(x)})
    model.compile(
        keras.optimizers.AdamW(0.01, weight_decay=0.02),
        loss={"p": "sparse_categorical_crossentropy", "q": keras.losses.Huber(0.5)},
        loss_weights={"p": 1.0, "q": 0.25},
        metrics={"p": ["accuracy"]},
        weighted_metrics={"q": ["mae"]},
        run_eagerly=True,
        jit_compile=False,
    )
    data = uniform(8, 4), {"p": np.zeros(8, "int32"), "q": uniform(8, 1)}
    model.fit(*data, verbose=0)
    new = swap_activations(model, "prelu", keep_weights=True)
    assert new.get_compile_config() == model.get_compile_config()
    assert new.optimizer is not model.optimizer and not new.optimizer.built
    same = swap_activations(model, "relu", keep_weights=True)
    assert same.evaluate(*data, verbose=0, return_dict=True) == pytest.approx(
        model.evaluate(*data, verbose=0, return_dict=True), rel=1e-5
    )
    new.fit(*data, verbose=0)


@pytest.mark.parametrize("name", ["prelu", "elu", "gelu", "selu"])
def test_a_swapped_model_trains_saves_and_loads(name: str, tmp_path: Path) -> None:
    model = mlp()
    model.compile("adam", "sparse_categorical_crossentropy")
    new = swap_activations(model, name)
    x = uniform(8, 4)
    new.fit(x, np.zeros(8, "int32"), verbose=0)
    new.save(tmp_path / "swapped.keras")
    keras.backend.clear_session()
    assert_same_outputs(new, keras.models.load_model(tmp_path / "swapped.keras"), x)


def test_the_settings_of_a_loss_are_kept() -> None:
    model = mlp()
    model.compile("sgd", keras.losses.Huber(0.25))
    new = swap_activations(model, {"a": "relu"}, keep_weights=True)
    x, y = uniform(8, 4), 3 * uniform(8, 3)
    assert new.evaluate(x, y, verbose=0) == pytest.approx(model.evaluate(x, y, verbose=0), rel=1e-5)


def test_a_metric_that_cannot_be_copied_is_refused() -> None:
    class Locked(keras.metrics.Metric):
        def __init__(self) -> None:
            super().__init__(name="locked")
            self.lock = threading.Lock()

    model = mlp()
    model.compile("sgd", "mse", metrics=[Locked()])
    with pytest.raises(ModelError, match=r"compiled with an object that cannot be copied: cannot pickle .*get_config"):
        swap_activations(model, "elu")


def test_every_swap_draws_the_same_weights_up_to_scale() -> None:
    """So that a comparison of activations at one seed is paired."""
    drawn = {}
    for name in ("relu", "prelu", "selu"):
        keras.utils.set_random_seed(7)
        new = swap_activations(mlp(), name)
        drawn[name] = [new.get_layer(layer).kernel.numpy() for layer in ("a", "b", "head")]
    for name in ("prelu", "selu"):
        factor = math.sqrt(second_moment("relu") / second_moment(name))
        for kernel, reference, scale in zip(drawn[name], drawn["relu"], (factor, factor, 1.0), strict=True):
            np.testing.assert_allclose(kernel, scale * reference, rtol=1e-5)
