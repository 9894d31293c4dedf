"""What the code of layers applies by ways that no name of Keras leads to: exchanged where it can be, else named."""

import keras
import numpy as np
import tensorflow as tf
from keras import layers as kl
from keras import ops

import actsearch
from actsearch import find_sites, swap_activations
from tests.helpers.networks import uniform
from tests.helpers.versions import since_keras


def test_what_no_name_leads_to_is_named():
    act = ops.relu

    @keras.saving.register_keras_serializable("tests.inside")
    class Hidden(kl.Layer):
        from_class = staticmethod(keras.activations.elu)

        def __init__(self):
            super().__init__(name="hidden")
            self.acts = (ops.tanh,)

        def call(self, x, function=ops.softplus):
            return function(self.acts[0](act(self.from_class(x)))) + kl.ReLU(max_value=6)(x)

    model = keras.Sequential([keras.Input((4,)), Hidden(), kl.Dense(4, "gelu", name="dense"), kl.Dense(1)])
    report = actsearch.plan_swap(model, "elu")
    assert {swap.site.name for swap in report.left_alone} >= {"hidden/elu", "hidden/relu", "hidden/tanh"}
    assert [swap.site.name for swap in report.replaced] == ["dense"]


def test_code_that_keeps_tensors_is_left_as_it_was():
    class Keeping(kl.Layer):
        def call(self, x):
            self.seen = self._seen = x
            return ops.relu(x)

    model = keras.Sequential([keras.Input((4,)), kl.Dense(4), Keeping(), kl.Lambda(lambda x: x * 2)])
    keeping = model.layers[1]
    before = keeping.seen, keeping._seen
    find_sites(model)
    assert (keeping.seen, keeping._seen) == before


def test_the_gradient_of_ones_own_function_keeps_the_kind_of_an_activation():
    class Recomputed(kl.Layer):
        def __init__(self):
            super().__init__()
            self.dense = kl.Dense(2)

        def build(self, shape):
            self.dense.build(shape)

        def call(self, x):
            return tf.recompute_grad(self.dense)(ops.relu(x))

    model = keras.Sequential([keras.Input((4,)), Recomputed()])
    assert [str(site.kind) for site in find_sites(model)] == ["hidden"]


@since_keras("3.15", "has no keras.remat")
def test_a_call_that_is_repeated_for_the_gradient_stays():
    class Remat(kl.Layer):
        def call(self, x):
            return keras.remat(lambda h: ops.relu(h))(x)

    model = keras.Sequential([keras.Input((4,)), kl.Dense(4, "tanh", name="dense"), Remat(name="remat"), kl.Dense(1)])
    report = actsearch.plan_swap(model, "sigmoid")
    assert [swap.site.name for swap in report.replaced] == ["dense"]
    assert [swap.site.name for swap in report.left_alone] == ["remat/relu"]


def test_what_a_function_of_tensorflow_applies_is_named():
    class Compiled(kl.Layer):
        def __init__(self):
            super().__init__(name="compiled")
            self.dense = kl.Dense(8)

        def build(self, shape):
            self.dense.build(shape)

        @tf.function
        def applied(self, x):
            return tf.nn.relu(self.dense(x))

        def call(self, x):
            return self.applied(x)

    model = keras.Sequential([keras.Input((4,)), Compiled(), kl.Dense(4, "relu"), kl.Dense(1)])
    (remark,) = actsearch.plan_swap(model, "elu").remarks
    assert remark.startswith("1 of 2 hidden activations stays relu in all trials: compiled/relu (the code of the layer")


def test_the_function_of_a_lambda_is_code():
    layers = [kl.Dense(8, name="dense"), kl.Lambda(lambda x: 2 * tf.nn.gelu(x, approximate=True), name="own")]
    model = keras.Sequential([keras.Input((4,)), *layers, kl.Dense(1)])
    x = uniform(3, 4)
    before = model(x)
    assert [(site.name, site.activation) for site in find_sites(model)] == [("own/gelu", "gelu(approximate)")]
    new = swap_activations(model, "relu", match=False, keep_weights=True)
    expected = model.layers[-1](2 * tf.nn.relu(model.layers[0](x)))
    np.testing.assert_allclose(new(x), expected, rtol=1e-6)
    np.testing.assert_array_equal(model(x), before)
