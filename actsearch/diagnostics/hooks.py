"""Hooks that collect statistics of the inputs, outputs and gradients of each activation in a model.

The model runs once, eagerly. Meanwhile a hook replaces each activation: it calls the activation and keeps sums, never
the tensors. It runs eagerly because a probe runs only a few times, and tracing a graph costs more than ten runs.
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
from actsearch.layers.exchange import PlaceKind
from actsearch.swap.graph import arguments_of, is_graph, trace
from actsearch.swap.opaque.inside import has_own_code
from actsearch.swap.recognition import NORMALISING, ActivationSlot, Recognised, activation_slots
from actsearch.swap.sites import SiteKind, TracedSite, locate, unique


@dataclass(frozen=True, eq=False)
class ActivationHook:
    """An activation that can be measured, with the objects in a model that apply it.

    Args:
        name: The name of its site.
        activation: The activation.
        shape: Its shape with the batch axis; None if it is not known.
        holders: The objects that apply it: the layer, or the cells inside it.
        attribute: The name of the attribute of the holders that applies it.
        num_trials: The number of initial calls to ignore: Keras computes one step of a recurrent layer to infer its
            shape.
    """

    name: str
    activation: Recognised
    shape: tuple[int | None, ...] | None
    holders: tuple[Any, ...]
    attribute: str
    num_trials: int = 0


def _hook_of_slot(name: str, slot: ActivationSlot, shape: tuple[int | None, ...] | None) -> ActivationHook:
    owner = slot.owner
    both = isinstance(owner, keras.layers.Bidirectional)
    layers = (owner.forward_layer, owner.backward_layer) if both else (owner,)
    attribute = slot.keys[-1] if slot.keys else "call"
    num_trials = int(isinstance(layers[0], keras.layers.RNN) and not layers[0].unroll)
    return ActivationHook(name, slot.activation, shape, tuple(map(_cell, layers)), attribute, num_trials)


def _hooks_inside(traced: TracedSite) -> Iterator[ActivationHook]:
    """Yields the hooks of an activation that a layer's own code applies, except for calls in the code itself."""
    layers = layers_in(traced.slot.owner)
    places = {use.place: use for use in traced.uses if use.place.kind is not PlaceKind.CODE}
    for number, (place, use) in enumerate(places.items()):
        name = f"{traced.site.name}_{number}" if number else traced.site.name
        attribute = place.name if place.kind is PlaceKind.ATTRIBUTE else "call"
        yield ActivationHook(name, use.activation, use.shape, (layers[place.layer],), attribute)


@dataclass(eq=False)
class ActivationStats:
    """Sums over the values of an activation; those with a value for each unit are arrays over its last axis.

    `variation` is the largest over all uses. `latest` is the most recent output, until `settle` is called.
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
        """Adds outputs, and the slopes of the function there."""
        self.latest = y
        y, slopes = _by_unit(y), tf.abs(_by_unit(slopes))
        self.num_units = int(y.shape[1])
        self.num_values += int(y.shape[0]) * self.num_units
        shifted = y - y[:1]  # so that rounding does not hide small differences between samples
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
        """Adds a gradient of the loss with respect to the inputs."""
        self.has_gradient = True
        dz = _by_unit(dz)
        self._pending += [
            ("gradients", tf.reduce_sum(tf.abs(dz), 0)),
            ("squared_gradient", 2 * tf.nn.l2_loss(dz)),
        ]

    def settle(self) -> None:
        """Combines the figures of all uses."""
        combine = {"variation": np.maximum, "steepest": np.maximum, "flattest": np.minimum}
        for name, tensor in self._pending:
            setattr(self, name, combine.get(name, np.add)(getattr(self, name), np.asarray(tensor, dtype="float64")))
        self._pending.clear()
        self.latest = None


def find_hooks(model: Any) -> list[ActivationHook]:
    """Finds the hidden activations of a model, in the order in which it applies them.

    Activations that are called in the code of a layer (`tf.nn.relu(x)`) can be measured only once they are exchanged.

    Raises:
        ModelError: No activation is found.
    """
    if is_graph(model) or arguments_of(model) is not None:
        hooks = [hook for traced in locate(trace(model)) if _is_measured(traced) for hook in _hooks_at(traced)]
    else:
        hooks = list(_in_layers(model))
    if not hooks:
        raise ModelError(
            f"The model {model.name!r} has no hidden activation that can be measured. Add activations as layers "
            '(keras.layers.Activation("relu")) or arguments (activation="relu").'
        )
    return hooks


def _is_measured(traced: TracedSite) -> bool:
    """Returns whether a site is hidden, or the only activation of a recurrent cell."""
    if traced.site.kind is SiteKind.RECURRENT:
        cells = layers_in(traced.slot.owner)
        return not any(hasattr(cell, "recurrent_activation") for cell in cells)
    return traced.site.kind is SiteKind.HIDDEN


def _hooks_at(traced: TracedSite) -> Iterator[ActivationHook]:
    if traced.uses and has_own_code(traced.slot.owner):
        yield from _hooks_inside(traced)
    else:
        yield _hook_of_slot(traced.site.name, traced.slot, traced.site.shape)


@contextmanager
def hooked(hooks: Iterable[ActivationHook], tape: Any) -> Iterator[dict[str, ActivationStats]]:
    """Installs hooks for the duration of the block, in which the model runs under a gradient tape.

    The hooks are put directly into the instances' `__dict__`, which Keras and TensorFlow do not track.

    Returns:
        The sums of each hook, by name; call `settle` on them after computing the gradient from the tape.
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
    """Wraps a function so that its values are added to the sums, except for the first `skipped` calls."""
    calls = count()

    @tf.custom_gradient
    def entrance(z: Any) -> tuple[Any, Callable[[Any], Any]]:
        def gradient(dz: Any) -> Any:
            stats.gradient(dz)
            return dz

        return tf.identity(z), gradient

    def call(z: Any, *args: Any, **kwargs: Any) -> Any:
        # While a layer traces its own graph, there are no values to sum.
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
            yield _hook_of_slot(unique(slot.owner.name + slot.suffix, names), slot, None)


def _cell(layer: Any) -> Any:
    return layer.cell if isinstance(layer, keras.layers.RNN) else layer


def _by_unit(x: Any) -> Any:
    """Converts a tensor to a matrix with a column for each unit, in single precision."""
    x = x if x.dtype == tf.float32 else tf.cast(x, tf.float32)
    return x if x.shape.rank == 2 else tf.reshape(x, (-1, x.shape[-1] if x.shape.rank else 1))
