"""Dead and saturated units, and the gradient on its way back, measured on a probe of data."""

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
# Where so many values come out of all sites, a probe has fewer samples, but no fewer than a batch has: a diagnosis then
# costs as much as training on three batches, and a channel has seen as many places instead.
MAX_VALUES, FEWEST_SAMPLES = 2**21, 32
NEGLIGIBLE_GRADIENT = 1e-4
SATURATED_SLOPE = 0.05


class HealthProbe:
    """A model and a small, fixed probe of data on which it is diagnosed, as often as one likes.

    The model is run forward and back as in training, with the statistics of the batch and with dropout. Nothing of it
    changes: neither weights, nor statistics, nor random generators, metrics or optimizer.

    Args:
        model: A built Keras model, compiled where `y` is given. Of a subclassed one the activations in its layers are
            measured, not those that its own code applies.
        x, y: Arrays, or nested structures of them, of n samples; or a `tf.data.Dataset` or `keras.utils.PyDataset` as
            `x`. Without targets nothing is said of gradients.
        sample_weight: Array of n, or None.
        max_samples: At most so many are taken, evenly spread; fewer of large images, though not below 32.

    Raises:
        ModelError: The model is not built, not compiled, or has no activation that can be measured.
        DataError: There are no samples, or not as many of each.
    """

    def __init__(
        self, model: keras.Model, x: Any, y: Any = None, *, sample_weight: Any = None, max_samples: int = MAX_SAMPLES
    ) -> None:
        self._model = model
        self._hooks = find_hooks(model)
        self._steepest = {hook.name: _steepest_slope(hook.slot.activation) for hook in self._hooks}
        self._x, self._y, self._weight = _probe(x, y, sample_weight, max_samples, self._hooks)
        _check(model, targets=self._y is not None)

    def measure(self, *, epoch: int | None = None) -> Diagnosis:
        """The model as it is now.

        Args:
            epoch: Its number, from 1, to be kept in the diagnosis.

        Raises:
            ModelError: The loss cannot be had from `model.compute_loss`.
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
        """The loss as in training, and the factor by which the optimizer scales it in half precision."""
        if self._y is None:
            return None, 1.0
        try:
            loss = compute_loss(self._model, self._x, self._y, outputs, self._weight)
        except ValueError as error:
            raise ModelError(
                f"The loss of the model {self._model.name!r} cannot be computed on the probe: {error} Where the model "
                "computes its loss in a train_step of its own, move that into compute_loss, or give no targets."
            ) from error
        return loss, float(self._model.optimizer.scale_loss(tf.ones((), loss.dtype)))

    def _site(self, hook: ActivationHook, stats: ActivationStats, scale: float) -> SiteHealth:
        count = stats.num_values
        mean = stats.total / count
        mean_slopes = stats.slopes * stats.num_units / count
        return SiteHealth(
            site=hook.name,
            activation=hook.slot.activation.name,
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
    """How the activations of a model do on a probe of data: dead and saturated units, signals, and gradients.

    Args, raises: As `HealthProbe`.

    Returns:
        Figures of each hidden site and layer, and issues in words. Print it for a table.

    Example:

    >>> keras.utils.set_random_seed(0)
    >>> layers = [keras.layers.Dense(8, "sigmoid", name=f"hidden_{n}") for n in range(9)]
    >>> model = keras.Sequential([keras.Input((4,)), *layers, keras.layers.Dense(1)])
    >>> model.compile("adam", "mse")
    >>> found = diagnose(model, np.random.default_rng(0).normal(size=(64, 4)), np.ones(64))
    >>> [(str(issue.severity), issue.site, issue.message) for issue in found.issues]
    [('warning', 'hidden_0', 'The gradient vanishes on its way back: at hidden_0 it is 7.3e-06 times what it is at
    hidden_8, 8 × sigmoid later.')]
    """
    return HealthProbe(model, x, y, sample_weight=sample_weight, max_samples=max_samples).measure()


class ActivationHealth(keras.callbacks.Callback):
    """Diagnoses the model that is trained, at the end of some epochs.

    It acts at the ends of epochs and of the training only, and leaves training as it is without it.

    Args:
        x, y, sample_weight, max_samples: The probe, as in `HealthProbe`; some of the training or validation data.
        epochs: Which epochs, from 1; the first and the last one if left out.

    Attributes:
        diagnoses: The diagnoses by their epochs, of the training done last.

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
        """Diagnoses, where this epoch is one of those asked for."""
        self._epoch = epoch + 1
        if self._epoch in (self._epochs or (1,)):
            self._diagnose()

    def on_train_end(self, logs: Any = None) -> None:  # noqa: ARG002
        """Diagnoses the last epoch, unless epochs were named, and lets go of the model."""
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
            f"The model {model.name!r} is not compiled, so there is no loss whose gradient could be followed. Call "
            "model.compile(optimizer, loss), or give no targets."
        )


def _probe(
    x: Any, y: Any, sample_weight: Any, max_samples: int, hooks: Collection[ActivationHook]
) -> tuple[Any, Any, Any]:
    """Samples at even distances as tensors, no more than there is room for what comes out of the sites."""
    if isinstance(x, tf.data.Dataset | keras.utils.PyDataset):
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(next(iter(x)))
    lengths = {len(a) for part in (x, y, sample_weight) if part is not None for a in tf.nest.flatten(part)}
    if len(lengths) != 1 or 0 in lengths:
        raise DataError(
            f"A probe needs samples, and as many targets and weights; the lengths are {sorted(lengths)}. Give arrays "
            "of the same length, 1 or more."
        )
    (length,) = lengths
    size = tf.nest.flatten(x)[0].shape
    values = sum(math.prod(known or (size[i] if i < len(size) else 1) for i, known in _inner(hook)) for hook in hooks)
    count = min(length, max_samples, max(FEWEST_SAMPLES, MAX_VALUES // max(values, 1)))
    rows = np.linspace(0, length - 1, count).astype(int)
    return _rows(x, rows), _rows(y, rows), _rows(sample_weight, rows)


def _inner(hook: ActivationHook) -> list[tuple[int, int | None]]:
    """The axes of what comes out, without that of the samples."""
    return list(enumerate(hook.shape or ()))[1:]


def _rows(part: Any, rows: Any) -> Any:
    """Some samples as tensors, in the precision in which Keras would train on them."""

    def taken(array: Any) -> Any:
        tensor = tf.gather(array, rows) if tf.is_tensor(array) else tf.convert_to_tensor(np.asarray(array)[rows])
        return tf.cast(tensor, keras.config.floatx()) if tensor.dtype.is_floating else tensor

    return None if part is None else tf.nest.map_structure(taken, part)


def _length(x: Any) -> int:
    return int(tf.nest.flatten(x)[0].shape[0])


def _dead(stats: ActivationStats) -> Any:
    """For each unit, whether it learns from no sample."""
    flat = stats.steepest == 0
    if not stats.has_gradient or stats.flattest == 0:
        return flat
    return flat | (stats.gradients < NEGLIGIBLE_GRADIENT * np.mean(stats.gradients))


def _steepest_slope(activation: Recognised) -> float:
    """The largest |f′| of a function from -8 to 8, without its jumps; 1 where the catalogue does not have it."""
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
    """The gradient norm of each layer that has weights of its own."""
    norm_of = {id(w): _norm(gradient) / scale for w, gradient in zip(weights, gradients, strict=False)}
    names: set[str] = set()
    for layer in layers_in(model):
        norms = [norm_of[id(w)] for w in own_trainable_variables(layer) if id(w) in norm_of]
        if norms:
            yield LayerHealth(unique(layer.name, names), math.hypot(*norms))


def _norm(gradient: Any) -> float:
    return math.sqrt(2 * float(tf.nn.l2_loss(tf.cast(tf.convert_to_tensor(gradient), tf.float32))))
