"""Where the values of a call come from and where they go, ignoring operations that only pass values through."""

from collections.abc import Callable, Container, Iterable

from actsearch.swap.graph import Call, upstream
from actsearch.swap.opaque.tensorflow_graph import moves_values
from actsearch.swap.recognition import SHARES, activation_slots, core

_SHAPING = frozenset(
    [
        "Flatten",
        "Reshape",
        "Permute",
        "RepeatVector",
        "Identity",
        "Masking",
        "Cropping1D",
        "Cropping2D",
        "Cropping3D",
        "ZeroPadding1D",
        "ZeroPadding2D",
        "ZeroPadding3D",
        "Transpose",
        "ExpandDims",
        "Squeeze",
        "BroadcastTo",
        "Cast",
        "GetItem",
    ]
)
_DROPPING = frozenset(
    [
        "Dropout",
        "AlphaDropout",
        "GaussianDropout",
        "GaussianNoise",
        "SpatialDropout1D",
        "SpatialDropout2D",
        "SpatialDropout3D",
    ]
)
_ARITHMETIC = frozenset(["Add", "Subtract", "Multiply", "Divide", "TrueDivide", "Negative", "Rescaling"])
_ENLARGING = frozenset(["UpSampling1D", "UpSampling2D", "UpSampling3D", "Repeat", "Tile", "Resize", "Resizing"])
_NORMALISING = frozenset(["BatchNormalization", "LayerNormalization", "GroupNormalization", "RMSNormalization"])
_POOLING = frozenset(["MaxPooling1D", "MaxPooling2D", "MaxPooling3D"])
_MERGING = frozenset(["Add", "Concatenate"])
_JOINING = frozenset(["Concatenate", "Stack"])
_CHANGING = _ENLARGING | _NORMALISING | _POOLING | _MERGING | _JOINING


def becomes_output(call: Call) -> bool:
    """Returns whether its values are an output of the model, apart from their order, scale and repetition."""
    reached = _followed(call, lambda given, user: _keeps_values(given, user) or class_of(user) in _JOINING | _ENLARGING)
    return any(c.is_output for c in reached)


def multiplies_a_branch(call: Call, activation: str) -> bool:
    """Returns whether its values scale another branch, that is, one that does not itself depend on them."""
    if activation not in SHARES and not (activation == "relu6" and _is_scaled_sigmoid(call)):
        return False
    reached = _followed(call, lambda given, user: _keeps_values(given, user) or class_of(user) in _ENLARGING)
    products = {u for c in reached for u in c.users if class_of(u) == "Multiply" and len(u.sources) > 1}
    return any(call not in upstream(source) for product in products for source in product.sources)


def feeder(call: Call) -> Call | None:
    """Returns the call that computes the input of this one; None if there are several.

    Operations that keep the scale of a layer's output or normalise it are skipped.
    """
    while len(call.sources) == 1:
        (call,) = call.sources
        if class_of(call) not in _SHAPING | _DROPPING | _NORMALISING | _POOLING:
            return call
    return None


def origins(call: Call, stops: Container[Call]) -> list[Call]:
    """Returns the calls that its values come from: those in `stops`, or else those that compute new values."""
    reached, todo = list[Call](), list(call.sources)
    while todo:
        source = todo.pop()
        if source not in stops and class_of(source) in _SHAPING | _POOLING | _MERGING:
            todo += source.sources
        else:
            reached.append(source)
    return reached


def class_of(call: Call) -> str:
    """Returns the class name of a Keras layer or operation; empty for user classes, whose effect is unknown."""
    kind = type(core(call.operation))
    return kind.__name__ if kind.__module__.startswith("keras.") else ""


def _is_scaled_sigmoid(call: Call) -> bool:
    """Returns whether it is part of `relu6(x + 3) / 6`, the hard sigmoid as MobileNetV3 writes it."""
    return all(class_of(s) == "Add" and len(s.sources) == 1 for s in call.sources) and any(
        class_of(user) in _ARITHMETIC and len(user.sources) == 1 for user in call.users
    )


def _followed(call: Call, through: Callable[[Call, Call], bool]) -> Iterable[Call]:
    """Returns the call and later calls that its values reach only from call to call that satisfy `through`."""
    reached, todo = {call}, [call]
    while todo:
        given = todo.pop()
        fresh = {user for user in given.users if user not in reached and through(given, user)}
        reached |= fresh
        todo += fresh
    return reached


def _keeps_values(given: Call, call: Call) -> bool:
    """Returns whether a call has the values of one of its sources, apart from order and scale."""
    name = class_of(call)
    if name == "Activation":
        return not activation_slots(call.operation)
    if name in _SHAPING | _DROPPING:
        return True
    if len(call.sources) > 1:
        return not name and _moves_values(given, call)
    return name in _ARITHMETIC or _moves_values(given, call)


def _moves_values(given: Call, call: Call) -> bool:
    """Returns whether an operation without weights moves or scales values, as its own graph shows."""
    operation = call.operation
    if call.arguments is None or bool(getattr(operation, "weights", None)) or class_of(call) in _CHANGING:
        return False
    places = [place for place, source in enumerate(call.sources) if source is given]
    return any(moves_values(operation, *call.arguments, place) for place in places)
