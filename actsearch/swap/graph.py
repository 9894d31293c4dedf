"""A model as a graph of calls: each use of a layer or operation, with nested models expanded."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import keras

from actsearch._private import direct_layers, functional_class, functional_inside, nodes_of
from actsearch.errors import ModelError

Shape = tuple[int | None, ...]
Arguments = tuple[Sequence[Any], Mapping[str, Any]]
WRAPPERS = (keras.layers.TimeDistributed, keras.layers.SpectralNormalization)


@dataclass(eq=False)
class Call:
    """One use of an operation; a shared layer has several.

    Args:
        operation: The layer, or the operation of `keras.ops`.
        path: Its name, preceded by the names of the models that contain it: `"encoder/conv1"`.
        shape: The shape of its first output with the batch axis; None if the model is not built.
        sources: The calls whose outputs it takes.
        users: The calls that take its output.
        is_output: Whether its output is an output of the model.
        arguments: The positional and keyword arguments, with symbolic tensors; None if they are not known.
    """

    operation: Any
    path: str
    shape: Shape | None
    sources: list["Call"]
    users: list["Call"] = field(default_factory=list)
    is_output: bool = False
    arguments: Arguments | None = None


def is_graph(operation: Any) -> bool:
    """Returns whether it is a Functional or Sequential model with Keras's own `call`, so that its graph is known."""
    for model_class in (functional_class(), keras.Sequential):
        if isinstance(operation, model_class):
            return type(operation).call is model_class.call
    return False


def trace(model: Any, arguments: Arguments | None = None) -> list[Call]:
    """Returns all calls of a model in topological order.

    Args:
        model: A Keras model.
        arguments: Symbolic arguments of a subclassed model; if omitted, such as it was built with.

    Returns:
        The calls, each after those that feed it. A subclassed model is a single call, since its own code calls its
        layers.

    Raises:
        ModelError: The model is subclassed and not built.

    Example:

    >>> [call.path for call in trace(keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, name="head")]))][1:]
    ['head']
    """
    if not is_graph(model):
        return [_whole(model, arguments or arguments_of(model))]
    calls: list[Call] = []
    for output in _run(model, [], "", calls):
        output.is_output = True
    return calls


def _whole(model: Any, arguments: Arguments | None) -> Call:
    """Returns the call of a subclassed model."""
    if arguments is None:
        raise ModelError(
            f"{type(model).__name__} is a subclassed model that is not built, so the inputs of its layers are unknown. "
            "Call it once on some samples, model(x[:1]), or pass actsearch.search the function that makes it."
        )
    return Call(model, "", None, [], is_output=True, arguments=arguments)


def parts_of(model: Any) -> list[Any]:
    """Returns the models with a known graph in a model that is never called, such as a GAN; empty for other models."""
    if not isinstance(model, keras.Model) or type(model).call is not keras.Model.call:
        return []
    return [part for part in direct_layers(model) if is_graph(part) and part.built]


def arguments_of(model: Any) -> Arguments | None:
    """Returns symbolic arguments like those that a model was built with; None if it is not built.

    For a model that is never called, they are the inputs of its parts.
    """
    if parts := parts_of(model):
        like = partial(keras.tree.map_structure, lambda tensor: keras.KerasTensor(tensor.shape, tensor.dtype))
        return [like((functional_inside(part) or part).input) for part in parts], {}
    config = model.get_build_config() if model.built else None
    if not config:
        return None
    dtype = model.input_dtype
    if "input_shape" in config:
        return [_symbolic(config["input_shape"], dtype)], {}
    shapes = config["shapes_dict"]
    return [], {name.removesuffix("_shape"): _symbolic(shape, dtype) for name, shape in shapes.items()}


def arguments_like(x: Any) -> Arguments:
    """Returns the symbolic arguments of a model's call on samples, `model(x)`."""
    return [keras.tree.map_structure(lambda a: keras.KerasTensor((None, *a.shape[1:]), a.dtype), x)], {}


def _symbolic(shapes: Any, dtype: str) -> Any:
    """Returns symbolic tensors for a shape, or for a nested structure of shapes."""
    if isinstance(shapes, Mapping):
        return {name: _symbolic(shape, dtype) for name, shape in shapes.items()}
    if any(isinstance(size, list | tuple) for size in shapes):
        return [_symbolic(shape, dtype) for shape in shapes]
    return keras.KerasTensor((None, *shapes[1:]), dtype)


def upstream(call: Call) -> set[Call]:
    """Returns all calls that this one depends on, including itself."""
    seen, todo = {call}, [call]
    while todo:
        fresh = set(todo.pop().sources) - seen
        seen |= fresh
        todo += fresh
    return seen


def _run(model: Any, inputs: Sequence[Call], prefix: str, calls: list[Call]) -> list[Call]:
    """Adds the calls inside a model to `calls`, and returns those that compute its outputs."""
    graph = functional_inside(model) or model
    if not isinstance(graph, functional_class()):
        return _run_unbuilt(model, inputs, prefix, calls)
    producers = {id(tensor): call for tensor, call in zip(graph.inputs, inputs, strict=False)}
    for node in nodes_of(graph):
        if id(node.outputs[0]) in producers:
            continue
        sources = [producers[id(tensor)] for tensor in node.input_tensors]
        arguments = node.arguments.args, node.arguments.kwargs
        outputs = _call(node.operation, sources, node.outputs[0].shape, prefix, calls, arguments)
        producers.update((id(t), outputs[min(i, len(outputs) - 1)]) for i, t in enumerate(node.outputs))
    return [producers[id(tensor)] for tensor in graph.outputs]


def _run_unbuilt(model: Any, inputs: Sequence[Call], prefix: str, calls: list[Call]) -> list[Call]:
    """Adds the calls of a Sequential model that is not built yet: a chain without shapes."""
    outputs = list(inputs)
    for layer in model.layers:
        outputs = _call(layer, outputs, None, prefix, calls)
    return outputs


def _call(
    operation: Any,
    sources: list[Call],
    shape: Shape | None,
    prefix: str,
    calls: list[Call],
    arguments: Arguments | None = None,
) -> list[Call]:
    path = prefix + operation.name
    if is_graph(operation):
        return _run(operation, sources, f"{path}/", calls)
    if isinstance(operation, WRAPPERS) and is_graph(operation.layer):
        return _run(operation.layer, sources, f"{path}/{operation.layer.name}/", calls)
    call = Call(operation, path, shape, sources, arguments=arguments)
    for source in sources:
        source.users.append(call)
    calls.append(call)
    return [call]
