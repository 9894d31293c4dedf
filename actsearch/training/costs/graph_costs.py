"""Costs that are counted from traced graphs, so that they are the same on every run: saved tensors and operations.

Saved are the tensors of the forward pass that an operation of the backward pass reads, each once. TensorFlow names the
backward pass `gradient_tape/...` where it derives it; it begins there and ends before the first variable changes. What
is read for its shape alone does not count, nor do variables, which are weights, and constants. Operations that only
change the shape share the memory of their input. TensorFlow may still optimize the graph; this is the count before.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from actsearch._private import flops_of_node

_BACKWARD = "gradient_tape/"
_SHAPE_ONLY = {"Shape", "ShapeN", "Size", "Rank", "ZerosLike", "OnesLike", "BroadcastGradientArgs"}
_NOT_SAVED = {"Const", "ReadVariableOp", *_SHAPE_ONLY}
# Operations that the profiler takes for nothing, although they may be most of the work.
_UNCOUNTED = {
    "Case", "Einsum", "If", "PartitionedCall", "SparseTensorDenseMatMul", "StatefulPartitionedCall", "StatelessCase",
    "StatelessIf", "StatelessWhile", "While", "XlaLaunch",
}  # fmt: skip
_VIEWS = {"Identity", "IdentityN", "Reshape", "ExpandDims", "Squeeze", "StopGradient", "PreventGradient", "Snapshot"}


@dataclass(frozen=True)
class SavedTensors:
    """Bytes that a training step keeps for its backward pass: fixed ones, and those of each sample."""

    fixed_bytes: int
    bytes_per_sample: int

    def bytes_for(self, num_samples: int) -> int:
        """Returns the bytes for a batch."""
        return self.fixed_bytes + num_samples * self.bytes_per_sample


def saved_tensors(graph: Any) -> SavedTensors | None:
    """Counts what the backward pass of a traced training step keeps.

    Of several passes, as a GAN has them, the one that keeps most counts.

    Args:
        graph: The graph in which the step was traced, with the number of samples left open.

    Returns:
        The bytes; None without a backward pass that TensorFlow derived, or if their size is unknown, as for texts of
        any length and for the steps of a recurrent layer.
    """
    captured = {tensor.name for tensor in graph.internal_captures}
    passes = [_counted(tensors, captured) for tensors in _read_by_backward_passes(graph)]
    known = [saved for saved in passes if saved is not None]
    if not passes or len(known) < len(passes):
        return None
    return max(known, key=lambda saved: (saved.bytes_per_sample, saved.fixed_bytes))


def _read_by_backward_passes(graph: Any) -> Iterator[dict[str, Any]]:
    """Yields for each backward pass the forward tensors that it reads, by name."""
    forward: set[str] = set()
    read: dict[str, Any] | None = None
    for operation in graph.get_operations():
        if read is None and operation.name.startswith(_BACKWARD):
            read = {}
        elif read is not None and operation.type.startswith(("Assign", "Resource")):
            yield read
            read = None
        if read is None:
            forward.update(tensor.name for tensor in operation.outputs)
        elif operation.type not in _SHAPE_ONLY:
            read |= {tensor.name: tensor for tensor in operation.inputs if tensor.name in forward}
    if read is not None:
        yield read


def _counted(tensors: dict[str, Any], captured: set[str]) -> SavedTensors | None:
    """Adds up tensors, those that share their memory once, without those from outside of the graph."""
    sizes: dict[str, tuple[int, int]] = {}
    for tensor in tensors.values():
        source, size = _source(tensor)
        if source.op.type in _NOT_SAVED or source.name in captured:
            continue
        if size is None:
            return None
        sizes[source.name] = max(size, sizes.get(source.name, (0, 0)))
    return SavedTensors(sum(fixed for _, fixed in sizes.values()), sum(each for each, _ in sizes.values()))


def _source(tensor: Any) -> tuple[Any, tuple[int, int] | None]:
    """Returns the tensor whose memory it shares, and the size: of flattened shapes, the one that tells most."""
    sizes = [_size(tensor)]
    while tensor.op.type in _VIEWS or _is_idle_transpose(tensor.op):
        number = tensor.op.outputs.index(tensor) if tensor.op.type == "IdentityN" else 0
        tensor = tensor.op.inputs[number]
        sizes.append(_size(tensor))
    known = [size for size in sizes if size is not None]
    return tensor, max(known) if known else None


def _is_idle_transpose(operation: Any) -> bool:
    """Returns whether it leaves the order of the axes as it is, as in a dense layer on sequences."""
    order = tf.get_static_value(operation.inputs[1]) if operation.type == "Transpose" else None
    return order is not None and order.tolist() == sorted(order.tolist())


def _size(tensor: Any) -> tuple[int, int] | None:
    """Returns the bytes of each sample, and those that are fixed; one of the two is 0."""
    shape = tensor.shape
    if shape.rank is None or None in shape[1:] or tensor.dtype == tf.variant:
        return None
    if shape.rank and shape[0] is None:
        return math.prod(shape[1:]) * tensor.dtype.size, 0
    return 0, math.prod(shape) * tensor.dtype.size


@contextmanager
def counting_saved_tensors(model: Any) -> Iterator[list[SavedTensors]]:
    """Counts, in the block, what the training step of a model keeps when `model.fit` traces it.

    Args:
        model: A Keras model; `model.fit` calls its `train_step`, which is wrapped in the block.

    Yields:
        A list, to which the first count is added.
    """
    found: list[SavedTensors] = []
    step, own = model.train_step, vars(model).get("train_step")

    def counted(*arguments: Any, **options: Any) -> Any:
        logs = step(*arguments, **options)
        if not found and not tf.executing_eagerly():
            saved = saved_tensors(tf.compat.v1.get_default_graph())
            found.extend([] if saved is None else [saved])
        return logs

    model.train_step = counted
    try:
        yield found
    finally:
        del model.train_step
        if own is not None:
            model.train_step = own


def flops_per_sample(forward: Any) -> int | None:
    """Counts the floating-point operations of a forward pass for one sample as TensorFlow's profiler does.

    The profiler knows matrix products, convolutions, pooling and the arithmetic of tensors, but no operations in one
    kernel of an activation: `Relu`, `Elu`, `Selu`, `Tanh`, `Sigmoid`, `Softplus`, `Erf` and so on count as none.

    Args:
        forward: A concrete TensorFlow function of a forward pass over a batch of any size, or of one fixed size.

    Returns:
        The number, rounded; None if the profiler would miss operations, as inside loops, or does not know their size.
    """
    if not _UNCOUNTED.isdisjoint(operation.type for operation in forward.graph.get_operations()):
        return None
    sizes = {tensor.shape[0] for tensor in tf.nest.flatten(forward.structured_input_signature) if tensor.shape.rank}
    with tf.Graph().as_default() as graph:
        try:
            tf.graph_util.import_graph_def(_for_one_sample(forward.graph), name="")
        except ValueError:  # the model needs several samples
            return None
    counts = [flops_of_node(graph, operation.node_def) for operation in graph.get_operations()]
    return None if None in counts else round(sum(filter(None, counts)) / (max(sizes - {None}, default=1)))


def _for_one_sample(graph: Any) -> Any:
    """Copies a graph with all shapes known: one sample where the number is open, and the values of variables."""
    copy = graph.as_graph_def()
    for node in copy.node:
        if node.op in ("Placeholder", "ReadVariableOp", "ResourceGather") and node.attr["dtype"].type != tf.resource:
            shape = graph.get_tensor_by_name(f"{node.name}:0").shape
            known = [1 if size is None else size for size in shape[:1]] + list(shape[1:])
            node.op = "Placeholder"
            del node.input[:]
            for name in set(node.attr) - {"dtype"}:
                del node.attr[name]
            node.attr["shape"].shape.CopyFrom(tf.TensorShape(known).as_proto())
    return copy
