"""Whether TensorFlow's single-threaded executor can run a graph: it waits for ever on some, without an error.

Measured with TensorFlow 2.21, on graphs inside and outside of loops: a branch (`tf.cond`, `tf.switch_case`) works, but
not inside another branch or a called function, and no function can be called inside a branch. Loops may be anywhere.
`keras.optimizers.LossScaleOptimizer` has a branch in a branch, so all models in `mixed_float16` do.
"""

import re
from collections.abc import Iterator
from typing import Any

from actsearch._private import is_stateful

_LOOPS = ("While", "StatelessWhile")
_BRANCHES = ("If", "StatelessIf", "Case", "StatelessCase")
_CALLS = ("PartitionedCall", "StatefulPartitionedCall")
_STATEFUL = re.compile(  # operations with a state that return at once; others with one may wait for another thread
    r"(Read|Assign|AssignAdd|AssignSub)VariableOp|VarHandleOp|VarIsInitializedOp|VariableShape"
    r"|Resource(Gather|GatherNd|Scatter\w+|Apply\w+|SparseApply\w+|StridedSliceAssign)"
    r"|Random\w+|Stateful(?!Partitioned)\w+|TruncatedNormal|ParameterizedTruncatedNormal|Multinomial"
    r"|Rng(ReadAnd)?Skip|NonDeterministicInts|LookupTable\w+|(Mutable|Anonymous)?\w*HashTable\w*"
    r"|IteratorGetNext(AsOptional)?|Optional\w+|Assert|Print(V2)?|CheckNumericsV2|(Eager)?PyFunc|Placeholder|Write\w*Summary|Timestamp"
)


def runs_on_one_thread(function: Any) -> bool:
    """Returns whether the single-threaded executor is known to run a function to its end.

    Args:
        function: A concrete TensorFlow function.
    """
    graph = function.graph.as_graph_def()
    bodies = {body.signature.name: body.node_def for body in graph.library.function}
    checked: set[tuple[str, str | None]] = set()

    def is_safe(nodes: Any, inside: str | None) -> bool:
        """Checks nodes `inside` a branch, a call, or neither."""
        for node in nodes:
            called = list(_functions_of(node))
            if not called and node.op not in bodies:
                if is_stateful(node.op) and not _STATEFUL.fullmatch(node.op):
                    return False
                continue
            if node.op in _LOOPS:
                within = inside
            elif node.op in _BRANCHES and inside is None:
                within = "branch"
            elif node.op in _CALLS and inside != "branch":
                within = "call"
            else:
                return False
            for name in called:
                if (name, within) not in checked:
                    checked.add((name, within))
                    if not is_safe(bodies.get(name, ()), within):
                        return False
        return True

    return is_safe(graph.node, None)


def _functions_of(node: Any) -> Iterator[str]:
    """Yields the names of the functions that a node calls."""
    for value in node.attr.values():
        if value.HasField("func"):
            yield value.func.name
        yield from (function.name for function in value.list.func)
