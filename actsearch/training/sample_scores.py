"""The part of each sample in a score, for metrics of any kind.

A metric is a function of the weights of the samples. Its derivative by the weight of one sample says what this sample
contributes: value = score + n (derivative - mean derivative), whose mean over the samples is the score (the
infinitesimal jackknife of Jaeckel 1972; Efron 1982). For a mean, such as accuracy or a loss, the values are exactly its
terms; for AUC or F1 their variance is that of the metric for samples drawn anew.
"""

import warnings
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from actsearch._private import function_of_metric, metric_by_name
from actsearch.errors import summarize
from actsearch.records import SampleScores
from actsearch.training.epochs import has_own_steps
from actsearch.training.model_cache import Forward

TOLERANCE = 1e-3


def scores_of_parts(
    model: keras.Model,
    forward: Forward | None,
    metric: str,
    parts: Mapping[str, tuple[Any, float | None]],
    ids: Mapping[str, np.ndarray],
) -> dict[str, SampleScores]:
    """Returns the sample scores of several parts of the data, of those that have any.

    What fails here, where nothing is trained, does not fail an execution: a verdict says that it lacks sample scores.

    Args:
        model: The trained model.
        forward: Its forward pass; None if it cannot be called.
        metric: Name of the metric, without `val_`.
        parts: For each part, its samples as tensors or None, and its score or None.
        ids: For each part, the numbers of its samples, where they are known.

    Returns:
        The sample scores, by part.
    """
    found = {}
    for part, (tensors, score) in parts.items():
        if forward is None or tensors is None or score is None:
            continue
        try:
            outputs = forward.over(keras.utils.unpack_x_y_sample_weight(tensors)[0])
            scores = None if outputs is None else sample_scores(model, metric, tensors, outputs, score, ids.get(part))
        except (ValueError, TypeError, tf.errors.OpError) as error:
            warnings.warn(f"The scores of single {part} samples are unknown: {summarize(error)}", stacklevel=2)
            continue
        if scores is not None:
            found[part] = scores
    return found


def sample_scores(
    model: keras.Model, metric: str, data: Any, outputs: Any, score: float, ids: np.ndarray | None = None
) -> SampleScores | None:
    """Returns the part of each sample in a metric.

    Args:
        model: A compiled model whose metrics were computed before.
        metric: Name of the metric in the logs, without `val_`.
        data: x, `(x, y)` or `(x, y, sample_weight)` of n samples.
        outputs: Outputs of the model for x.
        score: The value of the metric on this data, as Keras computed it.
        ids: Numbers of the samples, shape (n,); 0 to n - 1 if omitted.

    Returns:
        The scores; None for a metric that weights do not change, that is not the model's, or that several calls of the
        user's own steps compute: what the values would mean is unknown.

    Example:

    >>> model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, kernel_initializer="ones")])
    >>> model.compile(loss="mse", metrics=["mae"])
    >>> x, y = tf.constant([[1.0], [2.0]]), tf.constant([[1.5], [4.0]])
    >>> logs = model.evaluate(x, y, verbose=0, return_dict=True)
    >>> sample_scores(model, "mae", (x, y), model(x), logs["mae"]).values.tolist()
    [0.5, 2.0]
    """
    x, y, weight = keras.utils.unpack_x_y_sample_weight(data)
    if has_own_steps(model) or y is None:
        return None
    num_samples = int(keras.tree.flatten(outputs)[0].shape[0])
    found = None if metric == "loss" else metric_by_name(model, metric, y, outputs)
    if metric != "loss" and found is None:
        return None
    try:
        values = None if weight is not None or found is None else _terms(found, num_samples)
        if values is None:
            values = _derivatives(model, found, (x, y, weight), outputs, score, num_samples)
    except (ValueError, TypeError, NotImplementedError, tf.errors.OpError):
        return None  # a metric or loss of the user's that takes no weights
    if values is None or not np.isclose(values.mean(), score, rtol=TOLERANCE, atol=TOLERANCE):
        return None
    return SampleScores(np.arange(num_samples) if ids is None else ids[:num_samples], values.astype(np.float32))


def _terms(found: Any, num_samples: int) -> Any:
    """Returns the terms of a metric that is a mean of a function of each sample; None for others."""
    metric, y_true, y_pred, _ = found
    if type(metric).update_state is not keras.metrics.MeanMetricWrapper.update_state:
        return None
    function, arguments = function_of_metric(metric)
    values = np.asarray(function(y_true, y_pred, **arguments), dtype=np.float64)
    return values.reshape(num_samples, -1).mean(axis=1) if values.shape[:1] == (num_samples,) else None


def _derivatives(model: keras.Model, found: Any, data: Any, outputs: Any, score: float, num_samples: int) -> Any:
    """Returns the values from the derivatives by the weights of samples; None if the score does not depend on them."""
    x, y, weight = data
    weights = tf.ones((num_samples,), keras.backend.floatx())
    with tf.GradientTape() as tape:
        tape.watch(weights)
        scaled = _times(weights, weight)
        if found is None:
            value = model.compute_loss(x=x, y=y, y_pred=outputs, sample_weight=scaled, training=False)
        else:
            value = tf.reshape(_weighted(found, weights if weight is None or not found[3] else scaled), ())
    slopes = tape.gradient(value, weights)
    if slopes is None or not np.isclose(float(value), score, rtol=TOLERANCE, atol=TOLERANCE):
        return None
    slope = tf.convert_to_tensor(slopes).numpy().astype(np.float64)
    return score + num_samples * (slope - slope.mean())


def _times(weights: tf.Tensor, weight: Any) -> Any:
    """Multiplies the weights of samples by those of the data."""
    if weight is None:
        return weights
    return keras.tree.map_structure(lambda each: weights * tf.cast(each, weights.dtype), weight)


def _weighted(found: Any, weights: Any) -> Any:
    """Returns a metric as a function of the weights of samples."""
    metric, y_true, y_pred, _ = found
    metric.reset_state()
    state = [tf.convert_to_tensor(variable) for variable in metric.variables]
    return metric.stateless_result(metric.stateless_update_state(state, y_true, y_pred, sample_weight=weights))
