"""What training changes in a model, wherever the model holds it."""

import keras
import numpy as np
import tensorflow as tf

from actsearch.training.model_state import state_variables


class Helper:
    def __init__(self):
        self.counter = tf.Variable(0)


class Adversarial(keras.Model):
    """As people write it: no call, optimizers in attributes, dicts and lists."""

    def __init__(self):
        super().__init__()
        self.critic = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
        self.optimizers = {"critic": keras.optimizers.Adam(), "others": [keras.optimizers.SGD(momentum=0.9)]}
        self.seed = keras.random.SeedGenerator(1)
        self.draws = tf.random.Generator.from_seed(2)
        self.helper = Helper()
        self.distance = keras.metrics.Mean(name="distance")
        self.unreset = [keras.metrics.Mean(name="unreset")]

    @property
    def metrics(self):
        return [self.distance]

    def train_step(self, data):
        return {"loss": 0.0}


def test_everything_that_a_model_holds_is_found_once():
    model = Adversarial()
    model.compile("sgd")
    weights = model.critic.trainable_variables
    for optimizer in (model.optimizer, model.optimizers["critic"], model.optimizers["others"][0]):
        optimizer.build(weights)
    found = [v.value if isinstance(v, keras.Variable) else v for v in state_variables(model)]
    keys = [id(v) for v in found]
    assert len(keys) == len(set(keys))
    expected = [
        *weights,
        *model.optimizer.variables,
        *model.optimizers["critic"].variables,
        *model.optimizers["others"][0].variables,
        model.seed.state,
        model.draws.state,
        model.helper.counter,
        *model.unreset[0].variables,
    ]
    assert set(keys) >= {id(v.value if isinstance(v, keras.Variable) else v) for v in expected}


def test_an_ordinary_model_holds_nothing_beside_its_variables():
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2), keras.layers.Dropout(0.1)])
    model.compile("adam", "mse", metrics=["mae"])
    model.train_step((np.ones((2, 3)), np.ones((2, 2))))
    metrics = {id(v) for metric in model.metrics for v in metric.variables}
    own = [v for v in model.variables if id(v) not in metrics]
    assert [id(v) for v in state_variables(model)] == [id(v) for v in own + model.optimizer.variables]
