"""Makes a new data set for each execution with seeds of its own, so that all trials see the same data."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import tensorflow as tf

from actsearch._private import known_functions
from actsearch.training.datasets.dataset_graph import (
    DatasetGraph,
    constants_of,
    functions_of,
    is_unseeded,
    seed_inputs,
)

Epochs = Callable[[int], tf.data.Dataset]


class Seeding:
    """The randomness of a data set.

    Args:
        dataset: The data set; it is examined, not iterated.
    """

    def __init__(self, dataset: tf.data.Dataset) -> None:
        self._dataset, self._graph = dataset, DatasetGraph.of(dataset)
        self._make = tf.function(partial(self._imported, self._graph.graph), autograph=False)

    @property
    def problems(self) -> tuple[str, ...]:
        """Why trials do not see the same data; empty if they do."""
        return self._graph.problems

    @property
    def is_random(self) -> bool:
        """Whether it differs between executions or epochs."""
        return self._graph.graph is not None

    def with_seed(self, seed: int) -> Epochs:
        """Returns the data set of an execution as a function of the epoch.

        Operations without a seed inside of functions, as in `map`, would draw the same numbers in each epoch, so they
        get another seed in each.

        Args:
            seed: The seed of the execution.
        """
        if self._graph.drawing:
            return lambda epoch: self._made_with_functions((seed, epoch))
        once = self.for_fit(seed)
        return lambda epoch: once  # noqa: ARG005

    def for_fit(self, seed: int) -> tf.data.Dataset:
        """Returns the data set of an execution that `model.fit` trains.

        It is the same in all epochs, so operations without a seed inside of functions get none.
        """
        return self._made(self._make, (seed,)) if self.is_random else self._dataset

    def _made_with_functions(self, key: tuple[int, ...]) -> tf.data.Dataset:
        definition, names = _with_seeds(self._graph, key)
        make = tf.function(partial(self._imported, definition), autograph=False)
        with known_functions([body for body in definition.library.function if body.signature.name in names]):
            return self._made(make, key)

    def _made(self, make: Any, key: tuple[int, ...]) -> tf.data.Dataset:
        seeds = tf.constant(_drawn(key, len(self._graph.seeded)))
        variant = make(seeds, list(self._graph.inputs.values()))
        return tf.data.experimental.from_variant(variant, self._dataset.element_spec)

    def _imported(self, definition: Any, seeds: tf.Tensor, inputs: list[Any]) -> Any:
        """Adds the graph of the data set to that of a TensorFlow function; returns the data set as a tensor."""
        graph = self._graph
        replaced = {f"{name}:0": part for name, part in zip(graph.inputs, inputs, strict=True)}
        nodes = {node.name: node for node in definition.node}
        for number, name in enumerate(graph.seeded):
            generator = tf.raw_ops.DummySeedGenerator()  # the one in the graph stays with the user's data set
            given = (seeds[number, 0], seeds[number, 1], generator)
            replaced |= {f"{each}:0": one for each, one in zip(seed_inputs(nodes[name]), given, strict=True)}
        (variant,) = tf.graph_util.import_graph_def(
            definition, input_map=replaced, return_elements=[f"{graph.root}:0"], name=""
        )
        return variant


def _drawn(key: tuple[int, ...], count: int) -> np.ndarray:
    """Draws pairs of seeds, shape (count, 2); none is 0, which means no seed."""
    return np.random.default_rng(key).integers(1, 2**62, (count, 2))


def _with_seeds(graph: DatasetGraph, key: tuple[int, ...]) -> tuple[Any, set[str]]:
    """Copies a graph; its functions that draw random numbers get seeds, and names that no other copy has.

    Returns:
        The graph, and the names of these functions.
    """
    made = tf.compat.v1.GraphDef()
    made.CopyFrom(graph.graph)
    draws = np.random.default_rng((*key, 1))
    suffix = "_".join(["", "seeded", *map(str, key)])
    for body in made.library.function:
        if body.signature.name in graph.drawing:
            body.signature.name += suffix
            _seed(body.node_def, draws)
            _rename(body.node_def, graph.drawing, suffix)
    _rename(made.node, graph.drawing, suffix)
    return made, {name + suffix for name in graph.drawing}


def _seed(nodes: Any, draws: np.random.Generator) -> None:
    constants, by_name = constants_of(nodes), {node.name: node for node in nodes}
    for node in nodes:
        if not is_unseeded(node, constants):
            continue
        if "seed" in node.attr:
            node.attr["seed"].i, node.attr["seed2"].i = map(int, draws.integers(1, 2**62, 2))
        else:
            for name in seed_inputs(node)[:2]:
                by_name[name].attr["value"].tensor.CopyFrom(tf.make_tensor_proto(draws.integers(1, 2**62)))


def _rename(nodes: Any, drawing: frozenset[str], suffix: str) -> None:
    """Lets nodes call the copies of functions."""
    for node in nodes:
        if drawing.isdisjoint(functions_of(node)):
            continue
        if node.op in drawing:
            node.op += suffix
        for value in node.attr.values():
            for function in (*([value.func] if value.HasField("func") else []), *value.list.func):
                if function.name in drawing:
                    function.name += suffix
