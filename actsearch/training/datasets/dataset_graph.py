"""The graph of a `tf.data.Dataset`: what is random in it, and the same data set with other seeds.

TensorFlow writes the data set as a graph of operations. Those that draw random numbers, and all that follow them, are
made once more with other seeds. What comes before them is taken from the user's data set itself: arrays are not
copied, and what `cache()` holds is shared by all executions.

A shuffle without `reshuffle_each_iteration` is never given other seeds: `take` and `skip` may divide its result into
training and validation data. Neither is what a `cache()` follows, since the first epoch of a search fixes it.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import tensorflow as tf

from actsearch._private import inputs_of_dataset, tensors_of_dataset

MAX_BYTES = 1_000_000_000  # of arrays in a data set that TensorFlow writes as a graph
_SEEDS = {"ShuffleDatasetV3": (2, 3, 4), "ShuffleAndRepeatDatasetV2": (2, 3, 5), "RandomDatasetV2": (0, 1, 2)}
_DATASET = re.compile(r"\w*Dataset(V\d+)?")
_PYTHON = ("EagerPyFunc", "PyFunc", "PyFuncStateless")
_VARIABLES = ("VarHandleOp",)

PARALLEL = "a parallel map or interleave hands on its results in the order in which they are ready"
RACING = "random operations run in a parallel map, in no fixed order"
PYTHON = "its batches come from Python code, of which only the global random generators of Python and NumPy are seeded"
UNKNOWN = "TensorFlow cannot write it as a graph ({})"


@dataclass(frozen=True)
class DatasetGraph:
    """A data set as a graph, reduced to what differs between executions.

    Args:
        graph: The operations, with the functions that they call.
        root: Name of the operation that is the data set.
        inputs: The parts that are taken from the user's data set, by the names of their operations.
        seeded: Names of operations whose seeds are inputs.
        drawing: Names of functions that draw random numbers without a seed, and of those that call them.
        problems: Why what it draws is not the same in all trials; empty if it is.
    """

    graph: Any = None
    root: str = ""
    inputs: dict[str, Any] = field(default_factory=dict)
    seeded: tuple[str, ...] = ()
    drawing: frozenset[str] = frozenset()
    problems: tuple[str, ...] = ()

    @classmethod
    def of(cls, dataset: tf.data.Dataset) -> "DatasetGraph":
        """Examines a data set."""
        if sum(_leaf_bytes(dataset)) > MAX_BYTES:
            return cls(problems=(UNKNOWN.format(f"it holds arrays of more than {MAX_BYTES:,} bytes"),))
        variant = tf.data.experimental.to_variant(dataset)
        try:
            text = tf.raw_ops.DatasetToGraphV2(input_dataset=variant, external_state_policy=1)
        except tf.errors.OpError as error:
            return cls(problems=(UNKNOWN.format(error.message.partition("\n")[0][:120]),))
        return _examined(tf.compat.v1.GraphDef.FromString(text.numpy()), dataset)


def _leaf_bytes(dataset: tf.data.Dataset) -> Iterator[int]:
    """Yields the bytes of the arrays in a data set."""
    inputs = inputs_of_dataset(dataset)
    for each in inputs:
        yield from _leaf_bytes(each)
    yield from (tensor.dtype.size * int(np.prod(tensor.shape)) for tensor in tensors_of_dataset(dataset))


class _Examination:
    """Walks through the graph of a data set and the user's data set at the same time."""

    def __init__(self, graph: Any) -> None:
        self.nodes = {node.name: node for node in graph.node}
        self.functions = {body.signature.name: body for body in graph.library.function}
        self.drawing = frozenset(name for name in self.functions if self._contains(name, is_unseeded, set()))
        self.random = {name for name in self.functions if self._contains(name, _is_random, set())}
        self.inputs: dict[str, Any] = {}
        self.kept: dict[str, Any] = {}
        self.seeded: list[str] = []

    def _contains(self, name: str, wanted: Callable[[Any, Any], bool], seen: set[str]) -> bool:
        """Returns whether a function or one that it calls has a wanted node, given the constants beside it."""
        if name in seen or name not in self.functions:
            return False
        seen.add(name)
        nodes = self.functions[name].node_def
        constants = constants_of(nodes)
        return any(
            wanted(node, constants) or any(self._contains(called, wanted, seen) for called in functions_of(node))
            for node in nodes
        )

    def draws(self, node: Any) -> bool:
        return any(name in self.drawing for name in functions_of(node))

    def sources(self, node: Any) -> list[Any]:
        return [self.nodes[name.lstrip("^").partition(":")[0]] for name in node.input]

    def varies(self, node: Any) -> bool:
        """Returns whether the data set that a node makes is another one in each execution."""
        if node.op.startswith("CacheDataset"):
            return False
        own = is_reshuffled(node) or self.draws(node) or node.op in _VARIABLES
        return own or any(self.varies(source) for source in self.sources(node))

    def keep(self, node: Any, dataset: Any) -> None:
        """Keeps what varies, and takes the rest from the user's data set.

        Args:
            node: An operation.
            dataset: The user's data set that it makes; None if that is not known.
        """
        if dataset is not None and not self.varies(node):
            self.inputs[node.name] = tf.data.experimental.to_variant(dataset)
            return
        if node.name in self.kept:
            return
        self.kept[node.name] = node
        if is_reshuffled(node):
            self.seeded.append(node.name)
        sources = self.sources(node)
        before = [source for source in sources if _DATASET.fullmatch(source.op)]
        known = [] if dataset is None else list(inputs_of_dataset(dataset))
        matching = len(known) == len(before) and all(map(_is_made_by, before, known))
        datasets = iter(known if matching else [None] * len(before))
        for source in sources:
            self.keep(source, next(datasets) if _DATASET.fullmatch(source.op) else None)

    def problems(self, dataset: tf.data.Dataset) -> Iterator[str]:
        """Yields why what the data set draws is not the same in all trials."""
        reached = [*self.nodes.values(), *(node for body in self.functions.values() for node in body.node_def)]
        parallel = [node for node in reached if "Parallel" in node.op or "MapAndBatch" in node.op]
        if dataset.options().deterministic is False or any(_is_sloppy(node) for node in parallel):
            yield PARALLEL
        if any(not self.random.isdisjoint(functions_of(node)) for node in parallel):
            yield RACING
        if any(node.op in _PYTHON for node in reached):
            yield PYTHON
        if any(is_unseeded(node, self.constants) and node.name in self.kept for node in self.nodes.values()):
            yield "it has a shuffle without a seed and with reshuffle_each_iteration=False; pass a seed to it"

    @property
    def constants(self) -> dict[str, Any]:
        return constants_of(self.nodes.values())


def _examined(graph: Any, dataset: tf.data.Dataset) -> DatasetGraph:
    walk = _Examination(graph)
    roots = [node.input[0].partition(":")[0] for node in graph.node if node.op == "_Retval"]
    if not roots:  # TensorFlow has only printed an error
        return DatasetGraph(problems=(UNKNOWN.format("it may be too large"),))
    (root,) = roots
    varies = walk.varies(walk.nodes[root])
    if varies:
        walk.keep(walk.nodes[root], dataset)
    problems = tuple(walk.problems(dataset))
    if not varies:
        return DatasetGraph(problems=problems)
    reduced = tf.compat.v1.GraphDef()
    reduced.versions.CopyFrom(graph.versions)
    reduced.library.CopyFrom(graph.library)
    reduced.node.extend(walk.kept.values())
    return DatasetGraph(reduced, root, walk.inputs, tuple(walk.seeded), walk.drawing, problems)


def _is_made_by(node: Any, dataset: Any) -> bool:
    """Returns whether a node is the operation of a class of data sets: ParallelMapDatasetV2, _ParallelMapDataset."""
    return re.sub(r"V\d+$", "", node.op) == re.sub(r"V\d+$", "", type(dataset).__name__.lstrip("_"))


def is_reshuffled(node: Any) -> bool:
    """Returns whether a node draws other numbers at each iteration, beginning with seeds that are inputs."""
    attributes = ("reshuffle_each_iteration", "rerandomize_each_iteration")
    return node.op in _SEEDS and any(node.attr[name].b for name in attributes if name in node.attr)


def _is_random(node: Any, constants: Any) -> bool:  # noqa: ARG001  as `is_unseeded`
    return "seed" in node.attr and "seed2" in node.attr


def is_unseeded(node: Any, constants: dict[str, Any]) -> bool:
    """Returns whether a node draws random numbers without a seed; in a function, with seeds that are constants."""
    if "seed" in node.attr and "seed2" in node.attr:
        return node.attr["seed"].i == node.attr["seed2"].i == 0
    if node.op not in _SEEDS or (is_reshuffled(node) and not _in_function(node)):
        return False
    return all(constants.get(name) == 0 for name in seed_inputs(node)[:2])


def _in_function(node: Any) -> bool:
    return any(":" in name for name in node.input)


def seed_inputs(node: Any) -> list[str]:
    """Returns the names of the nodes that are the two seeds of a node, and its generator of further seeds."""
    return [node.input[index].partition(":")[0] for index in _SEEDS[node.op]]


def constants_of(nodes: Any) -> dict[str, int]:
    """Returns the values of constants that are single whole numbers, by name."""
    whole = (tf.int64.as_datatype_enum, tf.int32.as_datatype_enum)
    return {
        node.name: int(tf.make_ndarray(node.attr["value"].tensor))
        for node in nodes
        if node.op == "Const" and node.attr["dtype"].type in whole and not node.attr["value"].tensor.tensor_shape.dim
    }


def functions_of(node: Any) -> Iterator[str]:
    """Yields the names of the functions that a node calls."""
    yield node.op
    for value in node.attr.values():
        if value.HasField("func"):
            yield value.func.name
        yield from (function.name for function in value.list.func)


def _is_sloppy(node: Any) -> bool:
    return node.attr["deterministic"].s == b"false" if "deterministic" in node.attr else node.attr["sloppy"].b
