"""What the layers share: the constraint, and exclusion of learned parameters from weight decay."""

import keras
import numpy as np
import pytest

from actsearch import layers
from actsearch.errors import ModelError
from actsearch.layers.base import AtLeast, decay_free_variables, exclude_from_weight_decay

X = np.ones((4, 3), "float32")


def no_loss(y_true, y_pred):
    """A loss whose gradient is zero everywhere."""
    return keras.ops.mean(0.0 * (y_true + y_pred), axis=-1)


def small_model(optimizer, activation=layers.PReLU):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, bias_initializer="ones"), activation()])
    model.compile(optimizer, no_loss)
    return model


def change(model):
    """What one training step multiplies kernel, bias and slopes with."""
    before = [v.numpy() for v in model.trainable_variables]
    model.fit(X, np.zeros((4, 2)), verbose=0)
    after = [v.numpy() for v in model.trainable_variables]
    return [float(np.mean(a / b)) for a, b in zip(after, before, strict=True)]


def adamw():
    return keras.optimizers.AdamW(0.1, weight_decay=0.5)


def test_at_least_is_saved_with_its_value():
    again = keras.constraints.deserialize(keras.constraints.serialize(AtLeast(0.25)))
    np.testing.assert_array_equal(again(np.array([-1.0, 0.25, 3.0])), [0.25, 0.25, 3.0])


@pytest.mark.parametrize("activation", [layers.PReLU, layers.PELU, layers.MPELU, layers.ParametricSELU])
@pytest.mark.parametrize(
    "optimizer", [adamw, lambda: keras.optimizers.SGD(0.1, weight_decay=0.5)], ids=["adamw", "sgd"]
)
def test_weight_decay_shrinks_kernels_but_not_learned_activations(activation, optimizer):
    model = small_model(optimizer(), activation)
    excluded = exclude_from_weight_decay(model)
    assert [v.path for v in excluded] == [v.path for v in model.layers[-1].trainable_variables]
    kernel, bias, *learned = change(model)
    assert (kernel, bias) == pytest.approx((0.95, 0.95))
    assert learned == [1.0] * len(excluded)


def test_without_exclusion_the_slopes_shrink():
    assert change(small_model(adamw()))[2] == pytest.approx(0.95)


def test_slopes_of_keras_are_excluded_too():
    model = small_model(adamw(), lambda: keras.layers.PReLU(keras.initializers.Constant(0.25)))
    exclude_from_weight_decay(model)
    kernel, _, slope = change(model)
    assert kernel == pytest.approx(0.95)
    assert slope == 1.0


def test_an_optimizer_inside_loss_scaling_is_reached():
    model = small_model(keras.optimizers.LossScaleOptimizer(adamw()))
    exclude_from_weight_decay(model)
    kernel, _, slope = change(model)
    assert kernel == pytest.approx(0.95)
    assert slope == 1.0


@pytest.mark.parametrize("how", ["var_names", "var_list"])
def test_what_was_excluded_before_stays_excluded(how):
    model = small_model(adamw())
    earlier = {"var_names": ["bias"], "var_list": [model.layers[0].bias]}[how]
    model.optimizer.exclude_from_weight_decay(**{how: earlier})
    exclude_from_weight_decay(model)
    kernel, bias, slope = change(model)
    assert kernel == pytest.approx(0.95)
    assert (bias, slope) == (1.0, 1.0)


def test_a_built_optimizer_is_too_late_unless_it_was_done_before():
    late = small_model(adamw())
    change(late)
    with pytest.raises(ModelError, match="The optimizer is already built"):
        exclude_from_weight_decay(late)
    early = small_model(adamw())
    exclude_from_weight_decay(early)
    change(early)
    assert len(exclude_from_weight_decay(early)) == 1


def test_a_layer_without_parameters_yet_is_too_early():
    model = keras.Sequential([keras.layers.Dense(2), layers.PReLU(name="act")])
    model.compile(adamw(), "mse")
    with pytest.raises(ModelError, match=r"'act' has no parameters yet.*start it with keras\.Input"):
        exclude_from_weight_decay(model)


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_nothing_happens_where_no_weights_decay(optimizer):
    assert exclude_from_weight_decay(small_model(optimizer)) == []
    unbuilt = keras.Sequential([layers.PReLU()])
    unbuilt.compile(optimizer, "mse")
    assert exclude_from_weight_decay(unbuilt) == []


def test_nothing_happens_without_learned_activations_or_without_an_optimizer():
    assert exclude_from_weight_decay(small_model(adamw(), layers.ELU)) == []
    assert exclude_from_weight_decay(keras.Sequential([keras.Input((3,)), layers.PReLU()])) == []


def test_parameters_are_found_in_nested_models_and_wrappers_once_each():
    shared = layers.PReLU(name="shared")
    inner_input = keras.Input((5, 3))
    inner = keras.Model(inner_input, keras.layers.TimeDistributed(layers.MPELU(name="wrapped"))(inner_input))
    inputs = keras.Input((5, 3))
    x = shared(inner(shared(inputs)))
    outputs = keras.layers.PReLU(name="theirs")(keras.layers.Dense(2)(x))
    model = keras.Model(inputs, outputs)
    found = decay_free_variables(model)
    expected = ["alpha", "alpha", "beta", "slope"]
    assert sorted(v.name for v in found) == expected
    assert len({id(v) for v in found}) == len(expected)
    assert all(any(v is w for w in model.trainable_variables) for v in found)


def test_a_layer_of_one_s_own_is_excluded_as_well():
    class Threshold(layers.LearnedActivation):
        def __init__(self, start=1.0, **kwargs):
            super().__init__({"start": start}, **kwargs)

        def call(self, inputs):
            return keras.ops.maximum(inputs, *self.parameters)

    model = small_model(adamw(), Threshold)
    assert [v.name for v in exclude_from_weight_decay(model)] == ["start"]
    assert Threshold.from_config(Threshold(2.0, sharing="layer").get_config()).starts == {"start": 2.0}
