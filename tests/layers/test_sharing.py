"""How learned parameters are shared, and their shapes."""

import numpy as np
import pytest
import tensorflow as tf

from actsearch import layers
from actsearch.errors import UsageError
from actsearch.layers import PReLU
from actsearch.layers.sharing import parameter_shape


@pytest.mark.parametrize(("sharing", "shape"), [("channel", (3,)), ("layer", ()), ("element", (4, 5, 3))])
def test_the_slope_of_a_prelu_has_the_shape_that_sharing_says(sharing, shape):
    layer = PReLU(sharing=sharing)
    layer.build((None, 4, 5, 3))
    assert tuple(layer.learned[0].shape) == parameter_shape("PReLU", sharing, (None, 4, 5, 3)) == shape


@pytest.mark.parametrize(
    "shape", [(None, 3), (None, 3, 5), (None, 3, 4, 5), (2, 3, 1, 1)], ids=lambda shape: f"rank {len(shape)}"
)
@pytest.mark.parametrize("name", ["PReLU", "PELU", "MPELU", "ParametricSELU"])
def test_channels_may_come_first(name, shape):
    """Values and gradients are those of the layer with the channels last, on the transposed input."""
    x = np.random.default_rng(0).normal(size=(2, *(size or 2 for size in shape[1:]))).astype("float32")
    results = []
    for axis, given in ((1, x), (-1, np.moveaxis(x, 1, -1))):
        layer = getattr(layers, name)(axis=axis)
        with tf.GradientTape() as tape:
            y = layer(given)
            loss = tf.reduce_sum(y**2)
        gradients = tape.gradient(loss, layer.trainable_variables)
        results.append([np.moveaxis(y, axis, -1), *(np.ravel(gradient) for gradient in gradients)])
        assert all(variable.shape[0] == 3 for variable in layer.trainable_variables)
    for first, last in zip(*results, strict=True):
        np.testing.assert_allclose(first, last, rtol=1e-4)
    assert type(layer).from_config(layer.get_config()).axis == -1


def test_the_axis_is_saved_and_checked():
    assert PReLU.from_config(PReLU(axis=1).get_config()).axis == 1
    assert "axis" not in PReLU().get_config()
    with pytest.raises(UsageError, match=r"PReLU got axis=2; expected -1 .*or 1"):
        PReLU(axis=2)


@pytest.mark.parametrize(
    ("sharing", "shape", "remedy"),
    [("channel", (None, None), 'use sharing="layer"'), ("element", (None, None, 3), 'use sharing="channel"')],
)
def test_an_unknown_dimension_is_refused_with_a_remedy(sharing, shape, remedy):
    with pytest.raises(UsageError, match=f"PReLU has one parameter for each {sharing}, .*{remedy}"):
        parameter_shape("PReLU", sharing, shape)
