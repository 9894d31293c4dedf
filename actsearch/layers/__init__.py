"""Activation layers for Keras. Importing this package registers them, so that Keras can load models that use them.

Each module names its layers in its own `__all__`.
"""

from actsearch.layers import base, elu, function, prelu, selu
from actsearch.layers.base import *
from actsearch.layers.elu import *
from actsearch.layers.exchange import *
from actsearch.layers.function import *
from actsearch.layers.prelu import *
from actsearch.layers.rebuilt import *
from actsearch.layers.selu import *

__all__ = [*base.__all__, *elu.__all__, *function.__all__, *prelu.__all__, *selu.__all__]
