"""The state of a process that code before a search may have changed, and that its workers must share."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import keras
import tensorflow as tf

from actsearch.activations import registry
from actsearch.activations.activation import Activation
from actsearch.activations.catalogue import ENTRIES

_OWN_PACKAGES = ("actsearch", "keras")
_KERAS_SETTINGS = ("floatx", "epsilon", "image_data_format")


@dataclass(frozen=True)
class ProcessState:
    """Global values of Keras and TensorFlow, and what the user has registered with Keras and in the catalogue.

    Args:
        keras_settings: Keras's global values by name.
        dtype_policy: Keras's global dtype policy.
        threads: TensorFlow's threads within an operation and between operations; 0 lets TensorFlow choose.
        registered: The user's layers and functions registered with Keras, by the name that it saves them with. Those of
            a module that another process would not find are missing: the search may need none of them.
        activations: Entries that the user added to the catalogue.
    """

    keras_settings: Mapping[str, Any]
    dtype_policy: Any
    threads: tuple[int, int]
    registered: Mapping[str, Any]
    activations: tuple[Activation, ...]

    @classmethod
    def capture(cls) -> Self:
        """Captures the state of this process."""
        ours = {entry.name for entry in ENTRIES}
        threading = tf.config.threading
        return cls(
            {name: getattr(keras.config, name)() for name in _KERAS_SETTINGS},
            keras.config.dtype_policy(),
            (threading.get_intra_op_parallelism_threads(), threading.get_inter_op_parallelism_threads()),
            {name: obj for name, obj in keras.saving.get_custom_objects().items() if _must_be_sent(obj)},
            tuple(registry.get(name) for name in registry.names() if name not in ours),
        )

    def restore(self) -> None:
        """Sets this process to the captured state; call it before TensorFlow computes anything."""
        within, between = self.threads
        tf.config.threading.set_intra_op_parallelism_threads(within)
        tf.config.threading.set_inter_op_parallelism_threads(between)
        for name, value in self.keras_settings.items():
            getattr(keras.config, f"set_{name}")(value)
        keras.config.set_dtype_policy(self.dtype_policy)
        for name, obj in self.registered.items():
            package, _, own_name = name.rpartition(">")
            if package:
                keras.saving.register_keras_serializable(package, own_name)(obj)
            else:
                keras.saving.get_custom_objects()[name] = obj
        registry.names()  # registers the catalogue's own entries first
        for entry in self.activations:
            registry.add(entry)


def _must_be_sent(obj: Any) -> bool:
    """Returns whether another process lacks an object and can have it: its code is sent, or its module found there."""
    module = str(getattr(obj, "__module__", ""))
    root = module.split(".")[0]
    is_code = module == "__main__" or module not in sys.modules
    return root not in _OWN_PACKAGES and (is_code or _is_found(root))


def _is_found(module: str) -> bool:
    """Returns whether a module could be imported now, even if it has been: its folder may be gone."""
    finders = [finder for finder in sys.meta_path if hasattr(finder, "find_spec")]
    return any(finder.find_spec(module, None) is not None for finder in finders)
