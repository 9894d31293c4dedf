"""What goes into each activation of a model, what comes out, and the gradient that comes back.

A model is run once, eagerly. Meanwhile each activation has a hook in its place that calls it and keeps sums, never the
tensors. Eagerly, because a probe is run a few times at most: tracing a graph of it costs more than ten runs.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from actsearch._private import layers_in
from actsearch.errors import ModelError
from actsearch.swap.graph import is_graph, trace
from actsearch.swap.recognition import NORMALISING, ActivationSlot, activation_slots
from actsearch.swap.sites import SiteKind, locate, unique


@dataclass(frozen=True, eq=False)
class ActivationHook:
    """An activation that can be measured, with the objects in a model that apply it."""

    name: str
    slot: ActivationSlot
    shape: tuple[int | None, ...] | None

    @property
    def attribute(self) -> str:
        """The attribute of its holders that applies it."""
        return self.slot.keys[-1] if self.slot.keys else "call"

    @property
    def holders(self) -> list[Any]:
        """The objects that have this attribute: the layer, or the cells inside it."""
        owner = self.slot.owner
        if isinstance(owner, keras.layers.Bidirectional):
            return [_cell(owner.forward_layer), _cell(owner.backward_layer)]
        return [_cell(owner)]

    @property
    def num_trials(self) -> int:
        """How many calls come before those that count: to learn its shape, Keras computes a first step by itself."""
        layer = getattr(self.slot.owner, "forward_layer", self.slot.owner)
        return int(isinstance(layer, keras.layers.RNN) and not layer.unroll)


@dataclass(eq=False)
class ActivationStats:
    """Sums over what went through an activation; those with a value for each unit are arrays over its last axis.

    `variation` is the largest of its uses. `latest` is what came out last, until the sums are settled.
    """

    num_units: int = 0
    num_values: int = 0
    num_zeros: Any = 0.0
    total: float = 0.0
    squares: float = 0.0
    variation: float = 0.0
    slopes: Any = 0.0
    steepest: Any = 0.0
    flattest: float = np.inf
    gradients: Any = 0.0
    squared_gradient: float = 0.0
    has_gradient: bool = False
    latest: Any = None
    _pending: list[tuple[str, Any]] = field(default_factory=list)

    def outputs(self, y: Any, slopes: Any) -> None:
        """Adds values that came out, and the slopes of the function there."""
        self.latest = y
        y, slopes = _by_unit(y), tf.abs(_by_unit(slopes))
        self.num_units = int(y.shape[1])
        self.num_values += int(y.shape[0]) * self.num_units
        shifted = y - y[:1]  # so that rounding does not hide how little the samples may differ
        squares = 2 * tf.nn.l2_loss(y)
        self._pending += [
            ("num_zeros", tf.reduce_sum(tf.cast(tf.equal(y, 0.0), tf.float32), 0)),
            ("total", tf.reduce_sum(y)),
            ("squares", squares),
            ("variation", tf.math.divide_no_nan(2 * tf.nn.l2_loss(shifted - tf.reduce_mean(shifted, 0)), squares)),
            ("slopes", tf.reduce_sum(slopes, 0)),
            ("steepest", tf.reduce_max(slopes, 0)),
            ("flattest", tf.reduce_min(slopes)),
        ]

    def gradient(self, dz: Any) -> None:
        """Adds a gradient that came back, with respect to what went in."""
        self.has_gradient = True
        dz = _by_unit(dz)
        self._pending += [
            ("gradients", tf.reduce_sum(tf.abs(dz), 0)),
            ("squared_gradient", 2 * tf.nn.l2_loss(dz)),
        ]

    def settle(self) -> None:
        """Brings the figures of all uses together."""
        combine = {"variation": np.maximum, "steepest": np.maximum, "flattest": np.minimum}
        for name, tensor in self._pending:
            setattr(self, name, combine.get(name, np.add)(getattr(self, name), np.asarray(tensor, dtype="float64")))
        self._pending.clear()
        self.latest = None


def find_hooks(model: Any) -> list[ActivationHook]:
    """The hidden activations of a model, in the order in which it applies them.

    In a subclassed model those of its layers are found, in the order of their making; what its own code applies
    (`tf.nn.relu(x)`) is out of reach.

    Raises:
        ModelError: There is none.
    """
    if is_graph(model):
        hidden = [place for place in locate(trace(model)) if place.site.kind is SiteKind.HIDDEN]
        found = [ActivationHook(place.site.name, place.slot, place.site.shape) for place in hidden]
    else:
        found = list(_in_layers(model))
    if not found:
        raise ModelError(
            f"The model {model.name!r} has no hidden activation that can be measured. Put activations in as layers "
            '(keras.layers.Activation("relu")) or arguments (activation="relu").'
        )
    return found


@contextmanager
def hooked(hooks: Iterable[ActivationHook], tape: Any) -> Iterator[dict[str, ActivationStats]]:
    """Hooks for the time of the block, on a model that is run under a gradient tape.

    They lie in the instances' dictionaries, below what Keras and TensorFlow track.

    Returns:
        The sums of each, by its name; to be settled after the gradient was taken from the tape.
    """
    sums: dict[str, ActivationStats] = {}
    with ExitStack() as stack:
        for hook in hooks:
            stats = sums.setdefault(hook.name, ActivationStats())
            for holder in hook.holders:
                through = _through(getattr(holder, hook.attribute), stats, tape, skipped=hook.num_trials)
                stack.enter_context(_replaced(holder, hook.attribute, through))
        yield sums


@contextmanager
def _replaced(holder: Any, attribute: str, replacement: Any) -> Iterator[None]:
    attributes = vars(holder)
    own = attribute in attributes
    former = attributes.get(attribute)
    attributes[attribute] = replacement
    try:
        yield
    finally:
        if own:
            attributes[attribute] = former
        else:
            del attributes[attribute]


def _through(function: Callable[..., Any], stats: ActivationStats, tape: Any, *, skipped: int) -> Callable[..., Any]:
    """The function itself, which adds what goes through it to the sums, but for some calls at first."""
    calls = count()

    @tf.custom_gradient
    def entrance(z: Any) -> tuple[Any, Callable[[Any], Any]]:
        def gradient(dz: Any) -> Any:
            stats.gradient(dz)
            return dz

        return tf.identity(z), gradient

    def call(z: Any, *args: Any, **kwargs: Any) -> Any:
        # In a graph of a layer's own there are no values to sum.
        if not tf.executing_eagerly() or next(calls) < skipped:
            return function(z, *args, **kwargs)
        z = entrance(tf.convert_to_tensor(z))
        with tf.GradientTape() as inner:
            inner.watch(z)
            y = function(z, *args, **kwargs)
        with tape.stop_recording():
            stats.outputs(y, inner.gradient(y, z, unconnected_gradients="zero"))
        return y

    return call


def _in_layers(model: Any) -> Iterator[ActivationHook]:
    seen: set[tuple[int, tuple[str, ...]]] = set()
    names: set[str] = set()
    for layer in layers_in(model, include_self=False):
        for slot in activation_slots(layer):
            key = (id(slot.owner), slot.keys)
            if slot.gate or slot.activation.name in NORMALISING or key in seen:
                continue
            seen.add(key)
            yield ActivationHook(unique(slot.owner.name + slot.suffix, names), slot, None)


def _cell(layer: Any) -> Any:
    return layer.cell if isinstance(layer, keras.layers.RNN) else layer


def _by_unit(x: Any) -> Any:
    """As a matrix with a column for each unit, in single precision."""
    x = x if x.dtype == tf.float32 else tf.cast(x, tf.float32)
    return x if x.shape.rank == 2 else tf.reshape(x, (-1, x.shape[-1] if x.shape.rank else 1))
