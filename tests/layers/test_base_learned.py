"""Learned parameters after training."""

import keras
import numpy as np

from actsearch.layers import PReLU
from actsearch.layers.base import learned_parameters


def test_start_mean_and_range_of_each_site_in_nested_models_too():
    inner = keras.Sequential([keras.Input((2,)), PReLU(name="inner")])
    model = keras.Sequential([keras.Input((2,)), PReLU(0.1, name="outer"), inner, keras.layers.ReLU()])
    inner.layers[0].learned[0].assign(np.array([0.0, 1.0]))
    found = learned_parameters(model)
    assert {site: [round(v, 6) for v in values["slope"]] for site, values in found.items()} == {
        "outer": [0.1, 0.1, 0.1, 0.1],
        "inner": [0.25, 0.5, 0.0, 1.0],
    }


def test_a_model_that_learns_none_has_none():
    assert learned_parameters(keras.Sequential([keras.Input((2,)), keras.layers.ReLU()])) == {}
