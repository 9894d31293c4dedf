"""What differs between the versions of Keras, TensorFlow, MLflow and others that actsearch supports.

No other module asks for a version, or whether a name exists; private names are in `_private.py`. Each function says
which versions differ, so that it can be removed with the last of them. Everything is imported inside the functions, so
importing this module loads nothing.
"""

from functools import cache
from types import SimpleNamespace
from typing import Any

# Where the modules of Keras's public names are; with `_tf_keras`, those of `tf.keras`. In Keras 3.8 `keras.ops` is the
# module `keras.api.ops`.
KERAS_PACKAGES = ("keras", "keras._tf_keras.keras", "keras.api", "keras.api._tf_keras.keras")


def keras_layers(*names: str) -> tuple[Any, ...]:
    """Returns those layer classes that the installed Keras has.

    `RMSNormalization` exists from Keras 3.9 on.
    """
    import keras

    return tuple(getattr(keras.layers, name) for name in names if hasattr(keras.layers, name))


def keras_function(name: str) -> Any:
    """Returns what `keras.layers.Activation` takes for a function of `keras.activations`: its name, if it is there.

    `sparse_sigmoid` exists from Keras 3.9 on; before, the function is ours.
    """
    import keras

    return name if hasattr(keras.activations, name) else getattr(own_functions(), name)


@cache
def own_functions() -> SimpleNamespace:
    """Registers functions that the installed Keras lacks, so that it can load models that have them; returns them."""
    import keras

    if hasattr(keras.activations, "sparse_sigmoid"):
        return SimpleNamespace()

    @keras.saving.register_keras_serializable(package="actsearch")
    def sparse_sigmoid(x: Any) -> Any:
        """Computes min(max(0, (x + 1)/2), 1)."""
        return keras.ops.clip((x + 1.0) / 2.0, 0.0, 1.0)

    return SimpleNamespace(sparse_sigmoid=sparse_sigmoid)
