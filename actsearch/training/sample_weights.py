"""Weights of samples: those given for samples and for classes, checked against the targets."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from actsearch.errors import UsageError


def weights_of_classes(y: Any, class_weight: Mapping[int, float]) -> np.ndarray:
    """Converts class weights to sample weights as `model.fit` does.

    Args:
        y: A class number or a one-hot row for each of n samples.
        class_weight: Weight of each class by its number; 1 for those that are missing.

    Returns:
        The weights, float32, of shape (n,).

    Raises:
        UsageError: There is no y, there are several, or a sample has more than one class.
    """
    if not isinstance(y, np.ndarray | tf.Tensor):
        what = "several targets" if y is not None else "no y"
        raise UsageError(
            f"class_weight needs one target with a class for each sample, but there are {what}. Pass sample_weight "
            "with an array for each output instead."
        )
    labels = np.asarray(y)
    labels = labels.argmax(-1) if labels.ndim > 1 and labels.shape[-1] > 1 else labels.reshape(labels.shape[:-1] or -1)
    if labels.ndim != 1:
        raise UsageError(
            f"class_weight weights whole samples, but y has the shape {np.shape(y)}: several classes for each sample, "
            "such as one for each pixel. Pass sample_weight with an entry for each of them, for example "
            "np.vectorize(class_weight.get)(y), and validation_data."
        )
    return np.array([class_weight.get(int(label), 1.0) for label in np.round(labels)], dtype="float32")


def checked_weight(weight: Any, y: Any, *, is_arrays: bool = True) -> Any:
    """Converts sample weights to arrays and checks them against the targets.

    Args:
        weight: Array of n weights, or arrays nested like `y`; None for no weights.
        y: The checked targets.
        is_arrays: Whether the data are arrays rather than a data set.

    Returns:
        The weights: for several targets, nested like them.

    Raises:
        UsageError: Something does not match, or the weights would be ignored.
    """
    if weight is None:
        return None
    if y is None:
        kind = "without y" if is_arrays else "of a data set"
        raise UsageError(
            f"sample_weight {kind} would be ignored. Pass y too, or a data set whose batches are (x, y, sample_weight)."
        )
    nested = isinstance(weight, Mapping) or (isinstance(weight, list | tuple) and not isinstance(y, np.ndarray))
    made = _nested_weight(weight, y) if nested else np.asarray(weight)
    num_samples = len(keras.tree.flatten(y)[0])
    for array in keras.tree.flatten(made):
        if (num_weights := len(array) if array.ndim else 1) != num_samples:
            raise UsageError(
                f"sample_weight has {num_weights} entries, but there are {num_samples} samples. Pass one for each "
                "sample."
            )
    if not nested and not isinstance(y, np.ndarray):
        return keras.tree.map_structure(lambda _: made, y)  # one weight for all outputs, as in model.fit
    return made


def _nested_weight(weight: Any, y: Any) -> Any:
    made = _as_arrays(weight)
    try:
        keras.tree.assert_same_structure(y, made)
    except (ValueError, TypeError) as error:
        names = ", ".join(map(str, y)) if isinstance(y, Mapping) else f"{len(keras.tree.flatten(y))} arrays"
        raise UsageError(
            f"sample_weight is not nested like y, which has {names}. Pass one array for each output, or a single array "
            "for all of them."
        ) from error
    return made


def _as_arrays(weight: Any) -> Any:
    if isinstance(weight, Mapping):
        return {name: _as_arrays(part) for name, part in weight.items()}
    if isinstance(weight, list | tuple) and any(hasattr(part, "shape") for part in weight):
        return type(weight)(_as_arrays(part) for part in weight)
    return np.asarray(weight)
