"""Finds the activations that the code of a layer or model applies to itself, by tracing one call of it."""

import functools
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from types import FrameType
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from actsearch._private import layers_in
from actsearch._versions import keras_layers
from actsearch.layers.exchange import (
    STAND_IN,
    Place,
    PlaceKind,
    function_at,
    own_code,
    runs_own_code,
    set_function,
)
from actsearch.layers.interposition import input_of, is_own_code, place_of, redirecting
from actsearch.layers.rebuilt import keras_attributes
from actsearch.swap.graph import Shape, is_graph, parts_of
from actsearch.swap.opaque.paths import functions_of, layer_paths
from actsearch.swap.opaque.tensorflow_graph import (
    OPERATIONS,
    filled,
    is_fixed,
    is_traced,
    key_of,
    multiplies_another,
    passes_through,
    reaches,
    source_of,
    unchanged,
)
from actsearch.swap.recognition import (
    LINEAR_LAYERS,
    NORMALISING,
    SHARES,
    SOFTMAX_ATTENTION,
    Recognised,
    is_activation,
    recognise,
    recognise_call,
)

_PASSING = (
    keras.layers.BatchNormalization,
    keras.layers.LayerNormalization,
    keras.layers.GroupNormalization,
    *keras_layers("RMSNormalization"),
    keras.layers.Dropout,
    keras.layers.AlphaDropout,
    keras.layers.SpatialDropout1D,
    keras.layers.SpatialDropout2D,
    keras.layers.MaxPooling1D,
    keras.layers.MaxPooling2D,
    keras.layers.MaxPooling3D,
    keras.layers.Flatten,
    keras.layers.Reshape,
    keras.layers.Permute,
)


@dataclass(frozen=True, eq=False)
class InnerUse:
    """One application of an activation by the code of a layer.

    Args:
        place: Where the layer has it.
        path: Its name in the layer: `"mlp/0"`, `"relu"`; empty for the layer's own `activation`.
        function: The function or layer that is applied.
        activation: The activation.
        layer_class: The class of the layer inside that applies it.
        shape: The shape of its input, with the batch axis.
        dtype: The name of the type of its input.
        feeder: The linear layer whose output it takes, with its name; None if there is none.
        is_output: Whether its values are an output of the layer, apart from reshaping and scaling.
        is_gate: Whether its values weigh or scale others.
        is_recurrent: Whether it is part of a recurrent cell.
    """

    place: Place
    path: str
    function: Any
    activation: Recognised
    layer_class: str
    shape: Shape
    dtype: str
    feeder: tuple[Any, str] | None = None
    is_output: bool = False
    is_gate: bool = False
    is_recurrent: bool = False


def has_own_code(operation: Any) -> bool:
    """Returns whether a layer or model, or a layer in it, applies layers by code that does not belong to Keras."""
    if not isinstance(operation, keras.layers.Layer) or is_activation(operation):
        return False
    if is_graph(operation):
        return any(has_own_code(layer) for layer in operation.layers)
    return any(runs_own_code(layer) and not is_activation(layer) for layer in layers_in(operation))


_tracing = threading.RLock()  # while a layer is traced, its functions are others


class Inside(NamedTuple):
    """What a layer applies inside.

    Args:
        uses: The activations at known places, in order.
        others: The names of activations that it has beside those, at places that are not known.
    """

    uses: list[InnerUse]
    others: list[str]


def traced_inside(operation: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Inside | None:
    """Traces one call of a layer or model, and returns the activations that it applies, in order.

    Args:
        operation: A built layer or model. It is not changed.
        args, kwargs: The arguments of the call; tensors are symbolic.

    Returns:
        What it applies; None if the call cannot be traced.
    """
    trace = _Trace(operation)
    tensors = [t for t in keras.tree.flatten([list(args), dict(kwargs)]) if isinstance(t, keras.KerasTensor)]

    def call(*given: Any) -> Any:
        trace.start()
        real_args, real_kwargs = filled([list(args), dict(kwargs)], given)
        with trace.recording():
            if parts := parts_of(operation):
                trace.outputs = [part(given) for part, given in zip(parts, real_args, strict=True)]
            else:
                trace.outputs = operation(*real_args, **real_kwargs)
        return [t for t in tf.nest.flatten(trace.outputs) if isinstance(t, tf.Tensor)]

    specs = [tf.TensorSpec(tensor.shape, tensor.dtype) for tensor in tensors]
    if any(_has_graphs(layer) for layer in layers_in(operation)):
        return None
    with _tracing:
        return _traced(operation, trace, call, specs)


def _traced(operation: Any, trace: "_Trace", call: Callable[..., Any], specs: Sequence[Any]) -> Inside | None:
    try:
        with unchanged(operation):
            traced = tf.function(call, autograph=False).get_concrete_function(*specs)
        return Inside(trace.uses(), trace.others(traced.graph))
    except Exception:  # noqa: BLE001  whatever the code of a layer raises; the caller says that it is not reached
        return None


def _is_recomputed(frame: FrameType | None) -> bool:
    """Returns whether a frame runs in a function that TensorFlow calls again for its gradient, outside of the layer."""
    while frame is not None and frame.f_code.co_filename != __file__:
        if frame.f_globals.get("__name__") == "tensorflow.python.ops.custom_gradient":
            return True
        frame = frame.f_back
    return False


def _has_graphs(layer: Any) -> bool:
    """Returns whether a layer has TensorFlow functions, which keep the graphs that they were traced to."""
    own = [value for kind in type(layer).__mro__ if is_own_code(kind) for value in vars(kind).values()]
    own += [value for name, value in vars(layer).items() if name not in keras_attributes()]  # such as train_function
    return any(hasattr(value, "get_concrete_function") for value in own)


@dataclass(frozen=True, eq=False)
class _Applied:
    place: Place
    path: str
    function: Any
    activation: Recognised
    layer: Any
    input: Any
    output: Any


@dataclass
class _Trace:
    """The activations and layers that run while a layer is called."""

    owner: Any
    outputs: Any = None
    applied: list[_Applied] = field(default_factory=list)
    ran: dict[tuple[int, str], tuple[int, Any]] = field(default_factory=dict)
    known: set[str] = field(default_factory=set)
    _inside: bool = False

    def __post_init__(self) -> None:
        self.layers = layers_in(self.owner)
        self.paths = layer_paths(self.owner, self.layers)
        cells = [
            layer for layer in self.layers if hasattr(layer, "state_size") or hasattr(layer, "recurrent_activation")
        ]
        self._recurrent = {id(layer) for cell in cells for layer in layers_in(cell)}

    def start(self) -> None:
        """Forgets an earlier call: TensorFlow may trace a function twice."""
        self.applied, self.ran, self.known, self._inside = [], {}, set(), False

    @contextmanager
    def recording(self) -> Iterator[None]:
        """Lets all layers record what they apply, in the block."""
        with ExitStack() as stack:
            for number, layer in enumerate(self.layers):
                self._record(stack, number, layer)
            yield

    def _record(self, stack: ExitStack, number: int, layer: Any) -> None:
        path = self.paths[number]
        if STAND_IN in vars(layer):
            return  # another activation, which is among the layers too, stands in for it
        if is_activation(layer):
            place = Place(number, PlaceKind.LAYER)
            new = self._recorder(place, path, layer, layer.call, recognise(layer), layer)
            stack.enter_context(_replaced(layer, "call", new))
            return
        for name, value in functions_of(layer):
            inner = "/".join(part for part in (path, "" if name == "activation" else name) if part)
            place = Place(number, PlaceKind.ATTRIBUTE, name)
            new = self._recorder(place, inner, layer, value, recognise(value), value)
            stack.enter_context(_replaced_function(layer, name, new))
        if runs_own_code(layer):
            stack.enter_context(_replaced(layer, "call", self._with_code(number, path, layer)))
        elif isinstance(layer, SOFTMAX_ATTENTION):  # its softmax is listed in any case
            stack.enter_context(_replaced(layer, "call", self._knowing(layer.call)))
        elif isinstance(layer, (*LINEAR_LAYERS, *_PASSING)):
            stack.enter_context(_replaced(layer, "call", self._with_tensors(number, layer)))

    def _recorder(
        self, place: Place, path: str, layer: Any, function: Callable[..., Any], activation: Recognised, target: Any
    ) -> Callable[..., Any]:
        @functools.wraps(function)
        def record(*args: Any, **kwargs: Any) -> Any:
            if self._inside:
                return function(*args, **kwargs)
            self._inside = True
            try:
                output = self._knowing(function)(*args, **kwargs)
            finally:
                self._inside = False
            given = input_of(function, args, kwargs)
            if is_traced(given) and is_traced(output):
                self.applied.append(_Applied(place, path, target, activation, layer, given, output))
            return output

        return record

    def _knowing(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Returns a function whose operations count as recorded."""

        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            graph = tf.compat.v1.get_default_graph()
            before = len(graph.get_operations())
            try:
                return function(*args, **kwargs)
            finally:
                self.known |= {op.name for op in graph.get_operations()[before:]}

        return call

    def _with_code(self, number: int, path: str, layer: Any) -> Callable[..., Any]:
        original = layer.call

        def handler(function: Callable[..., Any], frame: FrameType, args: Any, kwargs: Mapping[str, Any]) -> Any:
            if _is_recomputed(frame):  # its gradient would be that of the original
                return function(*args, **kwargs)
            place = Place(number, PlaceKind.CODE, place_of(function, frame))
            name = "/".join(part for part in (path, function.__name__.removesuffix("_v2")) if part)
            activation = recognise_call(function, args, kwargs)
            return self._recorder(place, name, layer, function, activation, function)(*args, **kwargs)

        @functools.wraps(original)
        def call(*args: Any, **kwargs: Any) -> Any:
            with redirecting(own_code(layer), handler, records=True):
                return original(*args, **kwargs)

        return call

    def _with_tensors(self, number: int, layer: Any) -> Callable[..., Any]:
        original = layer.call

        @functools.wraps(original)
        def call(inputs: Any, *args: Any, **kwargs: Any) -> Any:
            output = original(inputs, *args, **kwargs)
            unchanged = is_traced(inputs) and is_traced(output) and key_of(inputs) == key_of(output)
            if isinstance(output, tf.Tensor) and not unchanged:  # such as Dropout, which does nothing here
                self.ran[key_of(output)] = number, inputs
            return output

        return call

    def uses(self) -> list[InnerUse]:
        """Returns what was recorded, with the part that each activation plays."""
        ends = [tensor for tensor in tf.nest.flatten(self.outputs) if isinstance(tensor, tf.Tensor)]
        applied = [each for each in self.applied if each.activation.name != "linear" and not is_fixed(each.input)]
        return [self._use(each, ends) for each in applied]

    def others(self, graph: Any) -> list[str]:
        """Returns the names of activations that the graph has beside those that were recorded."""
        found = {
            OPERATIONS[op.type]
            for op in graph.get_operations()
            if op.type in OPERATIONS and op.name not in self.known and not is_fixed(op.inputs[0])
        }
        return sorted(found)

    def _use(self, applied: _Applied, ends: Sequence[Any]) -> InnerUse:
        name, layer = applied.activation.name, applied.layer
        recurrent = id(layer) in self._recurrent
        gate = applied.place.name == "recurrent_activation" or name in NORMALISING
        return InnerUse(
            applied.place,
            applied.path,
            applied.function,
            applied.activation,
            type(layer).__name__,
            tuple(applied.input.shape),
            applied.input.dtype.name,
            self._feeder(applied),
            is_output=reaches(applied.output, ends),
            is_gate=gate or (name in SHARES and multiplies_another(applied.output)),
            is_recurrent=recurrent and not gate,
        )

    def _feeder(self, applied: _Applied) -> tuple[Any, str] | None:
        if applied.place.kind is PlaceKind.ATTRIBUTE and isinstance(applied.layer, LINEAR_LAYERS):
            return applied.layer, applied.path
        tensor = applied.input
        while isinstance(tensor, tf.Tensor):
            if key_of(tensor) in self.ran:
                number, given = self.ran[key_of(tensor)]
                if isinstance(self.layers[number], LINEAR_LAYERS):
                    return self.layers[number], self.paths[number]
                tensor = given
            else:
                tensor = source_of(tensor) if passes_through(tensor) else None
        return None


@contextmanager
def _replaced(layer: Any, name: str, value: Any) -> Iterator[None]:
    """Replaces an attribute of a layer, in the block, without Keras noticing."""
    missing = object()
    before = vars(layer).get(name, missing)
    object.__setattr__(layer, name, value)
    try:
        yield
    finally:
        if before is missing:
            object.__delattr__(layer, name)
        else:
            object.__setattr__(layer, name, before)


@contextmanager
def _replaced_function(layer: Any, name: str, function: Any) -> Iterator[None]:
    """Replaces a function in an attribute of a layer, or in a list or dict there, in the block."""
    if "/" not in name:
        with _replaced(layer, name, function):
            yield
        return
    before = function_at(layer, name)
    set_function(layer, name, function)
    try:
        yield
    finally:
        set_function(layer, name, before)
