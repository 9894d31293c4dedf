"""What becomes of a tensor in a TensorFlow graph, apart from operations that only move or scale its values."""

from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import keras
import tensorflow as tf

from actsearch._private import discard_losses, layers_in
from actsearch.layers.exchange import original_class
from actsearch.layers.interposition import is_own_code
from actsearch.layers.rebuilt import keras_attributes

_MOVING = frozenset(
    [
        "BatchToSpaceND",
        "BroadcastTo",
        "Cast",
        "CheckNumerics",
        "ConcatV2",
        "DepthToSpace",
        "EnsureShape",
        "ExpandDims",
        "GatherV2",
        "Identity",
        "IdentityN",
        "MirrorPad",
        "Pack",
        "Pad",
        "PadV2",
        "PlaceholderWithDefault",
        "PreventGradient",
        "Reshape",
        "ReverseV2",
        "Slice",
        "SpaceToBatchND",
        "SpaceToDepth",
        "Split",
        "SplitV",
        "Squeeze",
        "StopGradient",
        "StridedSlice",
        "Transpose",
        "Unpack",
    ]
)
# Operations of TensorFlow that apply an activation; only gelu has an error function.
OPERATIONS = {
    "Elu": "elu",
    "Erf": "gelu",
    "LeakyRelu": "leaky_relu",
    "Relu": "relu",
    "Relu6": "relu6",
    "Selu": "selu",
    "Softplus": "softplus",
    "Softsign": "softsign",
    "Tanh": "tanh",
}
_SCALING = frozenset(["Add", "AddV2", "ClipByValue", "Div", "Maximum", "Minimum", "Mul", "Neg", "RealDiv", "Sub"])
_ENLARGING = frozenset(["ResizeBilinear", "ResizeNearestNeighbor", "ResizeBicubic", "Tile"])


def key_of(tensor: Any) -> tuple[int, str]:
    """Returns what identifies a tensor: TensorFlow makes a new object for it at each access."""
    return id(tensor.graph), tensor.name


def is_traced(value: Any) -> bool:
    """Returns whether a value is a tensor of a graph whose number of axes is known."""
    return isinstance(value, tf.Tensor) and hasattr(value, "graph") and value.shape.rank is not None


def reaches(tensor: Any, ends: Iterable[Any]) -> bool:
    """Returns whether the values of a tensor are those of one of `ends`, apart from order and scale."""
    goals = {key_of(end) for end in ends}
    return any(key_of(reached) in goals for reached in _followed(tensor, _keeps_values))


def multiplies_another(tensor: Any) -> bool:
    """Returns whether the values of a tensor scale another tensor that does not depend on them."""
    for reached in _followed(tensor, lambda op: _keeps_values(op) or op.type in _ENLARGING):
        for op in reached.consumers():
            others = [given for given in op.inputs if key_of(given) != key_of(reached)]
            if op.type == "Mul" and others and not is_fixed(others[0]) and not _depends(others[0], tensor):
                return True
    return False


def passes_through(tensor: Any) -> bool:
    """Returns whether a tensor has the values of the one that its operation takes."""
    return bool(_keeps_values(tensor.op)) and tensor.op.type not in ("ConcatV2", "Pack")


def source_of(tensor: Any) -> Any:
    """Returns the first tensor that the operation of a tensor takes; None if it takes none."""
    return tensor.op.inputs[0] if tensor.op.inputs else None


def moves_values(operation: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any], place: int = 0) -> bool:
    """Returns whether the output of an operation has the values of one of its tensors, apart from order and scale.

    Args:
        operation: A layer or another callable. It is called once, in a graph.
        args, kwargs: Its arguments, with symbolic tensors of Keras.
        place: The position of the tensor among those of the arguments. With several tensors, an operation that
            returns more than one does not count: what its other outputs are is not known to the caller.
    """
    tensors = [t for t in keras.tree.flatten([list(args), dict(kwargs)]) if isinstance(t, keras.KerasTensor)]
    moved = False

    def call(*given: Any) -> Any:
        nonlocal moved
        real_args, real_kwargs = filled([list(args), dict(kwargs)], given)
        outputs = operation(*real_args, **real_kwargs)
        ends = [t for t in tf.nest.flatten(outputs) if isinstance(t, tf.Tensor)]
        moved = (len(given) == 1 or len(ends) == 1) and reaches(given[place], ends)
        return outputs

    specs = [tf.TensorSpec(tensor.shape, tensor.dtype) for tensor in tensors]
    try:
        with unchanged(operation):
            tf.function(call, autograph=False).get_concrete_function(*specs)
    except Exception:  # noqa: BLE001  whatever a user's code raises; what is not known to move values does not
        return False
    return moved


@contextmanager
def unchanged(operation: Any) -> Iterator[None]:
    """Undoes at the end of the block what code of the user stores in the layers that it runs in, such as tensors."""
    layers = layers_in(operation) if isinstance(operation, keras.layers.Layer) else []
    before = [(layer, dict(vars(layer))) for layer in layers if is_own_code(original_class(layer))]
    try:
        yield
    finally:
        if layers:
            discard_losses(operation)
        for layer, attributes in before:
            _restore(layer, attributes)


def _restore(layer: Any, attributes: Mapping[str, Any]) -> None:
    for name in [name for name in vars(layer) if name not in keras_attributes()]:
        if name not in attributes:
            object.__delattr__(layer, name)
        elif vars(layer)[name] is not attributes[name]:
            object.__setattr__(layer, name, attributes[name])


def filled(arguments: Any, given: Iterable[Any]) -> Any:
    """Returns arguments of a call with the tensors of a graph instead of Keras's symbolic ones, in their order."""
    waiting = iter(given)
    return keras.tree.map_structure(lambda a: next(waiting) if isinstance(a, keras.KerasTensor) else a, arguments)


def _followed(tensor: Any, through: Callable[[Any], bool]) -> list[Any]:
    """Returns the tensor, and later ones that its values reach only through operations that satisfy `through`."""
    reached, seen = [tensor], {key_of(tensor)}
    for current in reached:
        for op in current.consumers():
            if through(op):
                fresh = [output for output in _outputs_of(op, current) if key_of(output) not in seen]
                seen |= {key_of(output) for output in fresh}
                reached += fresh
    return reached


def _outputs_of(op: Any, given: Any) -> list[Any]:
    """Returns the outputs of an operation that may have the values of an input."""
    if op.type != "IdentityN":
        return list(op.outputs)
    return [output for output, own in zip(op.outputs, op.inputs, strict=True) if key_of(own) == key_of(given)]


def _keeps_values(op: Any) -> bool:
    if op.type in _MOVING:
        return True
    varying = [given for given in op.inputs if not is_fixed(given, variables=op.type == "Mul")]
    return op.type in _SCALING and len(varying) <= 1


def is_fixed(tensor: Any, *, variables: bool = True) -> bool:
    """Returns whether a tensor does not depend on the input of the graph.

    Args:
        tensor: A tensor of a graph.
        variables: Whether the values of variables count as fixed.
    """
    leaves = {"Const", "ReadVariableOp"} if variables else {"Const"}
    return all(op.type in leaves for op in _upstream(tensor, leaves) if op.type in leaves or not op.inputs)


def _depends(tensor: Any, other: Any) -> bool:
    return other.op.name in {op.name for op in _upstream(tensor)}


def _upstream(tensor: Any, leaves: Container[str] = ()) -> list[Any]:
    """Returns the operations that a tensor depends on, up to those whose type is in `leaves`."""
    ops, seen = [tensor.op], {tensor.op.name}
    for op in ops:
        if op.type not in leaves:
            fresh = {given.op.name: given.op for given in op.inputs if given.op.name not in seen}
            seen |= set(fresh)
            ops += fresh.values()
    return ops
