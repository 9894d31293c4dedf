"""Measures dead and saturated units, signals and gradients of a model on a probe of data."""

import math
from collections.abc import Collection, Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from actsearch._private import compute_loss, layers_in, own_trainable_variables
from actsearch.diagnostics.diagnosis import Diagnosis, LayerHealth, SiteHealth
from actsearch.diagnostics.hooks import ActivationHook, ActivationStats, find_hooks, hooked
from actsearch.errors import DataError, ModelError
from actsearch.swap.recognition import Recognised
from actsearch.swap.sites import unique

MAX_SAMPLES = 256
# If the sites output more values than this, the probe has fewer samples, but at least as many as a batch. A diagnosis
# then costs as much as training on three batches, and each channel covers as many positions instead.
MAX_VALUES, FEWEST_SAMPLES = 2**21, 32
NEGLIGIBLE_GRADIENT = 1e-4
SATURATED_SLOPE = 0.05


class HealthProbe:
    """A model and a small, fixed probe of data for diagnosing it any number of times.

    The model runs forward and backward as in training, with batch statistics and dropout. Its state does not change:
    weights, statistics, random generators, metrics and optimizer stay the same.

    Args:
        model: A built Keras model, compiled if `y` is given. Functions that the code of a layer calls are measured
            only where a search has exchanged them.
        x, y: Arrays, or nested structures of them, of n samples; or a `tf.data.Dataset` or `keras.utils.PyDataset` as
            `x`. Without targets, gradients are not measured.
        sample_weight: Array of n weights, or None.
        max_samples: Maximum number of samples, evenly spaced; fewer for large images, but at least 32.

    Raises:
        ModelError: The model is not built, not compiled, or has no activation that can be measured.
        DataError: There are no samples, or the numbers of samples, targets and weights differ.
    """

    def __init__(
        self, model: keras.Model, x: Any, y: Any = None, *, sample_weight: Any = None, max_samples: int = MAX_SAMPLES
    ) -> None:
        self._model = model
        self._hooks = find_hooks(model)
        self._steepest = {hook.name: _steepest_slope(hook.activation) for hook in self._hooks}
        self._x, self._y, self._weight = _probe(x, y, sample_weight, max_samples, self._hooks)
        _check(model, targets=self._y is not None)

    def measure(self, *, epoch: int | None = None) -> Diagnosis:
        """Diagnoses the model in its current state.

        Args:
            epoch: The number of the epoch, from 1, to store in the diagnosis.

        Returns:
            The diagnosis.

        Raises:
            ModelError: `model.compute_loss` cannot compute the loss.
        """
        weights = list(self._model.trainable_variables)
        state = [(weight, tf.convert_to_tensor(weight.value)) for weight in weights]
        with (
            keras.StatelessScope(state, collect_losses=True) as scope,
            tf.GradientTape(watch_accessed_variables=False) as tape,
            hooked(self._hooks, tape) as sums,
        ):
            values = [scope.get_current_value(weight) for weight in weights]
            tape.watch(values)
            outputs = self._model(self._x, training=True)
            loss, scale = self._loss(outputs)
            scaled = None if loss is None else loss * scale
        gradients = [] if scaled is None else tape.gradient(scaled, values, unconnected_gradients="zero")
        own_output = {name for name, stats in sums.items() if any(stats.latest is o for o in tf.nest.flatten(outputs))}
        for stats in sums.values():
            stats.settle()
        hidden = [hook for hook in self._hooks if hook.name not in own_output]
        return Diagnosis(
            num_samples=_length(self._x),
            loss=None if loss is None else float(loss),
            sites=tuple(self._site(hook, sums[hook.name], scale) for hook in hidden if sums[hook.name].num_values),
            layers=tuple(_layers(self._model, weights, gradients, scale)),
            unmeasured=tuple(hook.name for hook in hidden if not sums[hook.name].num_values),
            epoch=epoch,
        )

    def _loss(self, outputs: Any) -> tuple[Any, float]:
        """Returns the training loss, and the factor by which the optimizer scales it in half precision."""
        if self._y is None:
            return None, 1.0
        try:
            loss = compute_loss(self._model, self._x, self._y, outputs, self._weight)
        except ValueError as error:
            raise ModelError(
                f"The loss of the model {self._model.name!r} cannot be computed on the probe: {error} If the model "
                "computes its loss in its own train_step, move that code to compute_loss, or pass no targets."
            ) from error
        return loss, float(self._model.optimizer.scale_loss(tf.ones((), loss.dtype)))

    def _site(self, hook: ActivationHook, stats: ActivationStats, scale: float) -> SiteHealth:
        count = stats.num_values
        mean = stats.total / count
        mean_slopes = stats.slopes * stats.num_units / count
        return SiteHealth(
            site=hook.name,
            activation=hook.activation.name,
            num_units=stats.num_units,
            dead=float(np.mean(_dead(stats))),
            saturated=float(np.mean(mean_slopes < SATURATED_SLOPE * self._steepest[hook.name])),
            sparsity=float(np.sum(stats.num_zeros) / count),
            mean=float(mean),
            variance=float(max(stats.squares / count - mean**2, 0.0)),
            variation=float(stats.variation),
            gradient_norm=float(stats.squared_gradient**0.5) / scale if stats.has_gradient else None,
        )


def diagnose(
    model: keras.Model, x: Any, y: Any = None, *, sample_weight: Any = None, max_samples: int = MAX_SAMPLES
) -> Diagnosis:
    """Measures dead and saturated units, signals and gradients of a model on a probe of data.

    Args, Raises: As for `HealthProbe`.

    Returns:
        Figures of each hidden site and layer, and issues in words. Prints as a table.

    Example:

    >>> keras.utils.set_random_seed(0)
    >>> layers = [keras.layers.Dense(8, "sigmoid", name=f"hidden_{n}") for n in range(9)]
    >>> model = keras.Sequential([keras.Input((4,)), *layers, keras.layers.Dense(1)])
    >>> model.compile("adam", "mse")
    >>> diagnosis = diagnose(model, np.random.default_rng(0).normal(size=(64, 4)), np.ones(64))
    >>> [(str(issue.severity), issue.site, issue.message) for issue in diagnosis.issues]
    [('warning', 'hidden_0', 'The gradient vanishes on its way back: at hidden_0 it is 7.3e-06 times what it is at
    hidden_8, 8 × sigmoid later.')]
    """
    return HealthProbe(model, x, y, sample_weight=sample_weight, max_samples=max_samples).measure()


class ActivationHealth(keras.callbacks.Callback):
    """Diagnoses a model during training, at the end of selected epochs.

    It acts only at the ends of epochs and of the training, and does not affect the training.

    Args:
        x, y, sample_weight, max_samples: The probe, as for `HealthProbe`; some of the training or validation data.
        epochs: The epochs to diagnose, from 1; if omitted, the first and the last.

    Attributes:
        diagnoses: The diagnoses of the most recent training, by epoch.

    Example:

    >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(8, "relu"), keras.layers.Dense(1)])
    >>> model.compile("adam", "mse")
    >>> x, y = np.ones((16, 4)), np.ones(16)
    >>> health = ActivationHealth(x, y)
    >>> history = model.fit(x, y, epochs=5, verbose=0, callbacks=[health])
    >>> list(health.diagnoses)
    [1, 5]
    """

    def __init__(
        self,
        x: Any,
        y: Any = None,
        *,
        sample_weight: Any = None,
        max_samples: int = MAX_SAMPLES,
        epochs: Collection[int] | None = None,
    ) -> None:
        super().__init__()
        self._data, self._options = (x, y), {"sample_weight": sample_weight, "max_samples": max_samples}
        self._epochs = epochs
        self._probe: HealthProbe | None = None
        self._epoch = 0
        self.diagnoses: dict[int, Diagnosis] = {}

    def on_train_begin(self, logs: Any = None) -> None:  # noqa: ARG002
        """Finds the sites of the model."""
        self.diagnoses = {}
        self._probe = HealthProbe(self.model, *self._data, **self._options)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002
        """Diagnoses the model if this epoch is selected."""
        self._epoch = epoch + 1
        if self._epoch in (self._epochs or (1,)):
            self._diagnose()

    def on_train_end(self, logs: Any = None) -> None:  # noqa: ARG002
        """Diagnoses the last epoch unless epochs were selected, and releases the model."""
        if self._epochs is None and self._epoch and self._epoch not in self.diagnoses:
            self._diagnose()
        self._probe = None

    def _diagnose(self) -> None:
        assert self._probe is not None
        self.diagnoses[self._epoch] = self._probe.measure(epoch=self._epoch)


def _check(model: keras.Model, *, targets: bool) -> None:
    if not model.built:
        raise ModelError(
            f"The model {model.name!r} is not built, so it has no weights to diagnose. Start it with keras.Input, or "
            "call it on a batch first."
        )
    if targets and not model.compiled:
        raise ModelError(
            f"The model {model.name!r} is not compiled, so there is no loss to differentiate. Call "
            "model.compile(optimizer, loss), or pass no targets."
        )


def _probe(
    x: Any, y: Any, sample_weight: Any, max_samples: int, hooks: Collection[ActivationHook]
) -> tuple[Any, Any, Any]:
    """Returns evenly spaced samples as tensors; the size of the sites' outputs limits their number."""
    if isinstance(x, tf.data.Dataset | keras.utils.PyDataset):
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(next(iter(x)))
    lengths = {len(a) for part in (x, y, sample_weight) if part is not None for a in tf.nest.flatten(part)}
    if len(lengths) != 1 or 0 in lengths:
        raise DataError(
            f"A probe needs equal numbers of samples, targets and weights; the lengths are {sorted(lengths)}. Pass "
            "arrays of the same length, 1 or more."
        )
    (length,) = lengths
    size = tf.nest.flatten(x)[0].shape
    values = sum(math.prod(axis or (size[i] if i < len(size) else 1) for i, axis in _inner(hook)) for hook in hooks)
    count = min(length, max_samples, max(FEWEST_SAMPLES, MAX_VALUES // max(values, 1)))
    rows = np.linspace(0, length - 1, count).astype(int)
    return _rows(x, rows), _rows(y, rows), _rows(sample_weight, rows)


def _inner(hook: ActivationHook) -> list[tuple[int, int | None]]:
    """Returns the axes of the output, without that of the samples."""
    return list(enumerate(hook.shape or ()))[1:]


def _rows(part: Any, rows: Any) -> Any:
    """Returns the samples at `rows` as tensors, in the precision in which Keras would train on them."""

    def taken(array: Any) -> Any:
        tensor = tf.gather(array, rows) if tf.is_tensor(array) else tf.convert_to_tensor(np.asarray(array)[rows])
        return tf.cast(tensor, keras.config.floatx()) if tensor.dtype.is_floating else tensor

    return None if part is None else tf.nest.map_structure(taken, part)


def _length(x: Any) -> int:
    return int(tf.nest.flatten(x)[0].shape[0])


def _dead(stats: ActivationStats) -> Any:
    """Returns for each unit whether it learns from no sample."""
    flat = stats.steepest == 0
    if not stats.has_gradient or stats.flattest == 0:
        return flat
    return flat | (stats.gradients < NEGLIGIBLE_GRADIENT * np.mean(stats.gradients))


def _steepest_slope(activation: Recognised) -> float:
    """Returns the largest |f′| of a function from -8 to 8, without its jumps; 1 if it is not in the catalogue."""
    bound = activation.bound
    if bound is None:
        return 1.0
    step = 0.01
    z = np.arange(-8.0, 8.0, step)
    slopes = np.abs(np.diff(bound(z))) / step
    for kink in bound.activation.kinks_at(bound.parameters):
        slopes[np.abs(z[:-1] + step / 2 - kink) < step] = 0.0
    return float(slopes.max())


def _layers(model: keras.Model, weights: list[Any], gradients: list[Any], scale: float) -> Iterator[LayerHealth]:
    """Yields the gradient norm of each layer that has its own weights."""
    norm_of = {id(w): _norm(gradient) / scale for w, gradient in zip(weights, gradients, strict=False)}
    names: set[str] = set()
    for layer in layers_in(model):
        norms = [norm_of[id(w)] for w in own_trainable_variables(layer) if id(w) in norm_of]
        if norms:
            yield LayerHealth(unique(layer.name, names), math.hypot(*norms))


def _norm(gradient: Any) -> float:
    return math.sqrt(2 * float(tf.nn.l2_loss(tf.cast(tf.convert_to_tensor(gradient), tf.float32))))
