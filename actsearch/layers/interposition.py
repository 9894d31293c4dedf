"""Redirects the activation functions that a layer's own code calls, such as `keras.ops.relu(x)` inside `call`."""

import functools
import inspect
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from contextlib import contextmanager
from types import CodeType, FrameType
from typing import Any

import keras
import tensorflow as tf

from actsearch._versions import KERAS_PACKAGES

# Names under which Keras and TensorFlow offer activation functions.
NAMES = frozenset(
    [
        "celu",
        "elu",
        "gelu",
        "glu",
        "hard_shrink",
        "hard_sigmoid",
        "hard_silu",
        "hard_swish",
        "hard_tanh",
        "leaky_relu",
        "log_sigmoid",
        "log_softmax",
        "mish",
        "relu",
        "relu6",
        "selu",
        "sigmoid",
        "silu",
        "soft_shrink",
        "softmax",
        "softplus",
        "softsign",
        "sparse_plus",
        "sparse_sigmoid",
        "sparsemax",
        "squareplus",
        "swish",
        "tanh",
        "tanh_shrink",
        "threshold",
    ]
)
_MODULES = tuple(
    f"{package}.{name}" for package in KERAS_PACKAGES for name in ("ops", "ops.nn", "ops.numpy", "activations")
)
_LIBRARIES = ("actsearch", "keras", "tensorflow", "numpy")

# Called instead of an activation function, with the function, the frame that calls it, and its arguments.
Handler = Callable[[Callable[..., Any], FrameType, tuple[Any, ...], Mapping[str, Any]], Any]

_local = threading.local()
_lock = threading.Lock()
_redirected: dict[tuple[int, str], int] = {}
_originals: dict[int, Callable[..., Any]] = {}


@functools.cache
def activation_functions() -> Mapping[int, Callable[..., Any]]:
    """Returns the activation functions of Keras and TensorFlow by their id."""
    spaces = [vars(keras.ops), vars(keras.activations), vars(tf.nn), vars(tf.math), vars(tf)]
    return {id(space[name]): space[name] for space in spaces for name in NAMES if callable(space.get(name))}


def is_own_code(target: Any) -> bool:
    """Returns whether a class, function or module name belongs to neither actsearch nor a library it stands on."""
    name = target if isinstance(target, str) else getattr(target, "__module__", "") or ""
    return name.partition(".")[0] not in _LIBRARIES


def place_of(function: Callable[..., Any], frame: FrameType) -> str:
    """Names the place in the code at which a frame calls a function: `"relu@Block.call+2:15"`.

    The place is the same in all processes that run the same source.
    """
    line, column = _position(frame.f_code, frame.f_lasti)
    return f"{function.__name__}@{frame.f_code.co_qualname}+{line - frame.f_code.co_firstlineno}:{column}"


@functools.lru_cache(maxsize=1024)
def _positions(code: CodeType) -> list[Any]:
    return list(code.co_positions())


def _position(code: CodeType, instruction: int) -> tuple[int, int]:
    line, _, column, _ = _positions(code)[instruction // 2]
    return line or code.co_firstlineno, instruction if column is None else column


def has_place(code: Any, place: str) -> bool:
    """Returns whether the code of a class or a function, or code that it names, has a call at a place.

    Args:
        code: The class or function.
        place: A result of `place_of`.
    """
    name, _, position = place.partition("@")[2].rpartition("+")
    for each in _code_objects(code):
        if each.co_qualname == name:
            found = (_position(each, 2 * number) for number in range(len(each.co_code) // 2))
            if any(f"{line - each.co_firstlineno}:{column}" == position for line, column in found):
                return True
    return False


def _code_objects(code: Any) -> Iterator[CodeType]:
    kinds = [base for base in code.__mro__ if is_own_code(base)] if isinstance(code, type) else []
    functions = [code, *(value for kind in kinds for value in vars(kind).values())]
    functions += [value for space in _globals_of(code) for value in list(space.values()) if inspect.isfunction(value)]
    todo = [f.__code__ for f in map(inspect.unwrap, filter(callable, functions)) if hasattr(f, "__code__")]
    while todo:
        each = todo.pop()
        yield each
        todo += [part for part in each.co_consts if isinstance(part, CodeType)]


def input_of(function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """Returns the input in the arguments of an activation function, which is its first parameter."""
    return args[0] if args else kwargs[next(iter(inspect.signature(function).parameters))]


def call_unchanged(function: Callable[..., Any], frame: FrameType, args: Any, kwargs: Mapping[str, Any]) -> Any:
    """Calls a redirected function itself, and shows the call to a recorder of this thread."""
    recorder = getattr(_local, "recorder", None)
    return function(*args, **kwargs) if recorder is None else recorder(function, frame, args, kwargs)


@contextmanager
def redirecting(code: Any, handler: Handler, *, records: bool = False) -> Iterator[None]:
    """Redirects calls of activation functions in this thread from code outside of Keras to `handler`.

    Args:
        code: A class or a function, which may have imported activation functions by name, or may call other code of
            the user that has.
        handler: Called instead of the functions; handlers of inner contexts come first.
        records: Whether the handler sees calls that inner handlers leave unchanged.
    """
    previous = getattr(_local, "handler", None), getattr(_local, "recorder", None)
    with _lock:
        places = list(_places(code))
        for space, name in places:
            _redirect(space, name)
    _local.handler = handler
    if records:
        _local.recorder = handler
    try:
        yield
    finally:
        _local.handler, _local.recorder = previous
        with _lock:
            for space, name in places:
                _restore(space, name)


def _places(code: Any) -> Iterator[tuple[MutableMapping[str, Any], str]]:
    """Yields the namespaces from which such code takes activation functions, with the name in each."""
    spaces = [vars(tf.nn), vars(tf.math), vars(tf)]
    loaded = [name for name in _MODULES if name in sys.modules]
    for space in [*spaces, *(vars(sys.modules[name]) for name in loaded)]:
        yield from ((space, name) for name in NAMES if callable(space.get(name)))
    yield from ((vars(sys.modules[name]), "get") for name in loaded if name.endswith("activations"))
    known = activation_functions()
    for space in {id(space): space for space in _globals_of(code)}.values():
        yield from ((space, name) for name, value in list(space.items()) if id(_original(value)) in known)


def _globals_of(code: Any) -> Iterator[MutableMapping[str, Any]]:
    """Yields the global names of a class's methods or of a function, and of the user's functions and modules there."""
    kinds = [base for base in code.__mro__ if is_own_code(base)] if isinstance(code, type) else []
    functions = [value for kind in kinds for value in vars(kind).values()] or [code]
    own = [f.__globals__ for f in functions if hasattr(f, "__globals__") and is_own_code(f)]
    for space in {id(space): space for space in own}.values():
        yield space
        for value in list(space.values()):
            if inspect.isfunction(value) and is_own_code(value):
                yield value.__globals__
            elif inspect.ismodule(value) and is_own_code(value.__name__):
                yield vars(value)


def _original(value: Any) -> Any:
    return _originals.get(id(value), value)


def _redirect(space: MutableMapping[str, Any], name: str) -> None:
    key = id(space), name
    _redirected[key] = _redirected.get(key, 0) + 1
    if _redirected[key] == 1:
        space[name] = (_getting if name == "get" else _dispatching)(space[name])


def _restore(space: MutableMapping[str, Any], name: str) -> None:
    key = id(space), name
    _redirected[key] -= 1
    if not _redirected[key]:
        del _redirected[key]
        space[name] = _originals.pop(id(space[name]))


def _caller() -> FrameType | None:
    frame = inspect.currentframe()
    return frame.f_back.f_back if frame and frame.f_back else None


def _dispatching(function: Callable[..., Any]) -> Callable[..., Any]:
    """Returns a function that asks the handler of its thread, if own code calls it, and else calls the original."""
    dispatch = _asking(function)
    _originals[id(dispatch)] = function
    return dispatch


def _asking(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def dispatch(*args: Any, **kwargs: Any) -> Any:
        handler, frame = getattr(_local, "handler", None), _caller()
        if handler is None or frame is None or not is_own_code(frame.f_globals.get("__name__", "")):
            return function(*args, **kwargs)
        return handler(function, frame, args, kwargs)

    return dispatch


def _getting(get: Callable[..., Any]) -> Callable[..., Any]:
    """Returns `keras.activations.get` with results that ask the handler of their thread."""

    @functools.wraps(get)
    def found(*args: Any, **kwargs: Any) -> Any:
        function, frame = get(*args, **kwargs), _caller()
        asked = getattr(_local, "handler", None) is not None and id(function) in activation_functions()
        own = asked and frame is not None and is_own_code(frame.f_globals.get("__name__", ""))
        return _asking(function) if own else function

    _originals[id(found)] = get
    return found
