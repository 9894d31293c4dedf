"""What the code of layers applies by ways that no name of Keras leads to: exchanged where it can be, else named."""

import keras
import tensorflow as tf
from keras import layers as kl
from keras import ops

import actsearch
from actsearch import find_sites


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


def test_a_call_that_is_repeated_for_the_gradient_stays():
    class Remat(kl.Layer):
        def call(self, x):
            return keras.remat(lambda h: ops.relu(h))(x)

    model = keras.Sequential([keras.Input((4,)), kl.Dense(4, "tanh", name="dense"), Remat(name="remat"), kl.Dense(1)])
    report = actsearch.plan_swap(model, "sigmoid")
    assert [swap.site.name for swap in report.replaced] == ["dense"]
    assert [swap.site.name for swap in report.left_alone] == ["remat/relu"]
