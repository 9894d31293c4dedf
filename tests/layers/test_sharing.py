"""How learned parameters are shared, and their shapes."""

import pytest

from actsearch.errors import UsageError
from actsearch.layers import PReLU
from actsearch.layers.sharing import parameter_shape


@pytest.mark.parametrize(("sharing", "shape"), [("channel", (3,)), ("layer", ()), ("element", (4, 5, 3))])
def test_the_slope_of_a_prelu_has_the_shape_that_sharing_says(sharing, shape):
    layer = PReLU(sharing=sharing)
    layer.build((None, 4, 5, 3))
    assert tuple(layer.learned[0].shape) == parameter_shape("PReLU", sharing, (None, 4, 5, 3)) == shape


@pytest.mark.parametrize(
    ("sharing", "shape", "remedy"),
    [("channel", (None, None), 'use sharing="layer"'), ("element", (None, None, 3), 'use sharing="channel"')],
)
def test_an_unknown_dimension_is_refused_with_a_remedy(sharing, shape, remedy):
    with pytest.raises(UsageError, match=f"PReLU has one parameter for each {sharing}, .*{remedy}"):
        parameter_shape("PReLU", sharing, shape)
