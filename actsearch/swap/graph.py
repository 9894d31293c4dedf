"""A model as a graph of calls: each use of a layer or operation, with nested models expanded."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import keras

from actsearch._private import functional_class, functional_inside, nodes_of
from actsearch.errors import ModelError

Shape = tuple[int | None, ...]
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
    """

    operation: Any
    path: str
    shape: Shape | None
    sources: list["Call"]
    users: list["Call"] = field(default_factory=list)
    is_output: bool = False


def is_graph(operation: Any) -> bool:
    """Returns whether it is a Functional or Sequential model with Keras's own `call`, so that its graph is known."""
    for model_class in (functional_class(), keras.Sequential):
        if isinstance(operation, model_class):
            return type(operation).call is model_class.call
    return False


def trace(model: Any) -> list[Call]:
    """Returns all calls of a model in topological order.

    Args:
        model: A Sequential or Functional model.

    Returns:
        The calls, each after those that feed it.

    Raises:
        ModelError: The model is subclassed, so its graph is known only to its code.

    Example:

    >>> [call.path for call in trace(keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, name="head")]))][1:]
    ['head']
    """
    if not is_graph(model):
        raise ModelError(
            f"{type(model).__name__} is a subclassed model: its own code calls its layers, so its activations "
            "cannot be found or replaced from outside. Build it with keras.Sequential or "
            "keras.Model(inputs, outputs), or call actsearch.choose(hp, space) in the function that builds it "
            "and use .layer() of the result as the activation."
        )
    calls: list[Call] = []
    for output in _run(model, [], "", calls):
        output.is_output = True
    return calls


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
        outputs = _call(node.operation, sources, node.outputs[0].shape, prefix, calls)
        producers.update((id(t), outputs[min(i, len(outputs) - 1)]) for i, t in enumerate(node.outputs))
    return [producers[id(tensor)] for tensor in graph.outputs]


def _run_unbuilt(model: Any, inputs: Sequence[Call], prefix: str, calls: list[Call]) -> list[Call]:
    """Adds the calls of a Sequential model that is not built yet: a chain without shapes."""
    outputs = list(inputs)
    for layer in model.layers:
        outputs = _call(layer, outputs, None, prefix, calls)
    return outputs


def _call(operation: Any, sources: list[Call], shape: Shape | None, prefix: str, calls: list[Call]) -> list[Call]:
    path = prefix + operation.name
    if is_graph(operation):
        return _run(operation, sources, f"{path}/", calls)
    if isinstance(operation, WRAPPERS) and is_graph(operation.layer):
        return _run(operation.layer, sources, f"{path}/{operation.layer.name}/", calls)
    call = Call(operation, path, shape, sources)
    for source in sources:
        source.users.append(call)
    calls.append(call)
    return [call]
