"""A model as the calls of its operations, nested models taken apart: who feeds whom, and what becomes an output."""

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
        path: Its name, after the names of the models it lies in: `"encoder/conv1"`.
        shape: The shape of its first output with the batch axis; None where the model is not built.
        sources: The calls whose outputs it takes.
        users: The calls that take its output.
        is_output: Whether its output is one of the model's.
    """

    operation: Any
    path: str
    shape: Shape | None
    sources: list["Call"]
    users: list["Call"] = field(default_factory=list)
    is_output: bool = False


def is_graph(operation: Any) -> bool:
    """Whether it is a model whose layers and their order are known: Functional or Sequential, its `call` untouched."""
    for known in (functional_class(), keras.Sequential):
        if isinstance(operation, known):
            return type(operation).call is known.call
    return False


def trace(model: Any) -> list[Call]:
    """All calls of a model, each after those that feed it.

    Args:
        model: A Sequential or Functional model.

    Raises:
        ModelError: It is subclassed: which layers it calls, and in which order, only its code knows.

    Example:

    >>> [call.path for call in trace(keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, name="head")]))][1:]
    ['head']
    """
    if not is_graph(model):
        raise ModelError(
            f"{type(model).__name__} is a subclassed model: its layers are called by its own code, so the places "
            "of its activations cannot be found or replaced from outside. Build it with keras.Sequential or "
            "keras.Model(inputs, outputs), or call actsearch.choose(hp, space) in the function that builds it "
            "and put its .layer() where the activation stands."
        )
    calls: list[Call] = []
    for output in _run(model, [], "", calls):
        output.is_output = True
    return calls


def upstream(call: Call) -> set[Call]:
    """All calls that this one depends on, itself among them."""
    seen, todo = {call}, [call]
    while todo:
        fresh = set(todo.pop().sources) - seen
        seen |= fresh
        todo += fresh
    return seen


def _run(model: Any, inputs: Sequence[Call], prefix: str, calls: list[Call]) -> list[Call]:
    """Adds the calls inside a model to `calls`; returns those that make its outputs."""
    graph = functional_inside(model) or model
    if not isinstance(graph, functional_class()):
        return _run_unbuilt(model, inputs, prefix, calls)
    made = {id(tensor): call for tensor, call in zip(graph.inputs, inputs, strict=False)}
    for node in nodes_of(graph):
        if id(node.outputs[0]) in made:
            continue
        sources = [made[id(tensor)] for tensor in node.input_tensors]
        outputs = _call(node.operation, sources, node.outputs[0].shape, prefix, calls)
        made.update((id(t), outputs[min(i, len(outputs) - 1)]) for i, t in enumerate(node.outputs))
    return [made[id(tensor)] for tensor in graph.outputs]


def _run_unbuilt(model: Any, inputs: Sequence[Call], prefix: str, calls: list[Call]) -> list[Call]:
    """A Sequential that has not seen an input yet: a chain without shapes."""
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
