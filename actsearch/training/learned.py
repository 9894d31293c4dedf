"""What training made of the parameters that activations learn."""

import keras
import numpy as np

from actsearch.layers.base import LearnedActivation

Learned = dict[str, dict[str, tuple[float, float, float, float]]]


def learned_parameters(model: keras.Model) -> Learned:
    """By site and parameter: its start, and mean, smallest and largest value now.

    Args:
        model: A trained model; layers of ours in it are found, in nested models too.

    Example:

    >>> from actsearch.layers import PReLU
    >>> learned_parameters(keras.Sequential([keras.Input((3,)), PReLU(name="one")]))
    {'one': {'slope': (0.25, 0.25, 0.25, 0.25)}}
    """
    found: Learned = {}
    for layer in model._flatten_layers(include_self=False):
        if isinstance(layer, LearnedActivation) and layer.learned:
            values = {name: np.asarray(v) for name, v in zip(layer.starts, layer.learned, strict=True)}
            found[layer.name] = {
                name: (layer.starts[name], float(v.mean()), float(v.min()), float(v.max()))
                for name, v in values.items()
            }
    return found
