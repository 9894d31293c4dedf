"""Private names of TensorFlow: data sets and graphs."""

import numpy as np
import pytest
import tensorflow as tf

from actsearch import _private


def test_data_sets_know_their_inputs_and_tensors():
    arrays = tf.data.Dataset.from_tensor_slices(np.arange(4))
    batches = arrays.batch(2)
    assert _private.inputs_of_dataset(batches) == [arrays]
    assert not _private.inputs_of_dataset(arrays)
    assert [tensor.shape for tensor in _private.tensors_of_dataset(arrays)] == [(4,)]
    assert not _private.tensors_of_dataset(batches)


def test_class_weights_are_added_to_a_batch():
    weigh = _private.class_weight_function({0: 1.0, 1: 3.0, 2: 0.5})
    assert weigh(tf.zeros((3, 1)), tf.constant([0, 1, 2]))[2].numpy().tolist() == [1.0, 3.0, 0.5]


def test_functions_are_known_in_a_block():
    dataset = tf.data.Dataset.range(3).map(lambda x: 2 * x)
    variant = tf.data.experimental.to_variant(dataset)
    text = tf.raw_ops.DatasetToGraphV2(input_dataset=variant, external_state_policy=1).numpy()
    graph = tf.compat.v1.GraphDef.FromString(text)
    (function,) = graph.library.function
    (node,) = [node for node in graph.node if node.op == "MapDataset"]
    graph.node.remove(next(node for node in graph.node if node.op == "_Retval"))
    node.attr["f"].func.name = function.signature.name = "doubled_for_a_test"

    def imported():
        return tf.graph_util.import_graph_def(graph, return_elements=[f"{node.name}:0"], name="")

    with _private.known_functions([function]):
        (made,) = tf.function(imported)()
    assert list(tf.data.experimental.from_variant(made, dataset.element_spec).as_numpy_iterator()) == [0, 2, 4]
    with pytest.raises(tf.errors.OpError, match="doubled_for_a_test"):
        tf.function(imported)()


def test_operations_run_at_once_while_a_graph_is_built():
    with tf.Graph().as_default(), _private.eagerly():
        assert (tf.constant(1) + 1).numpy() == 2


def test_the_message_of_a_graph_is_one_line():
    def broken(value):
        raise LookupError("no such picture")

    @tf.function
    def graph(value):
        return tf.py_function(broken, [value], tf.float32)

    with pytest.raises(tf.errors.OpError) as caught:
        graph(tf.constant(1.0))
    message = _private.tensorflow_message(caught.value)
    assert "LookupError: no such picture" in message
    assert message.endswith("in broken)")
    assert "\n" not in message
    error = tf.errors.NotFoundError(None, None, "{{function_node a}} a.png; No such file\n\t [[{{node b}}]]")
    assert _private.tensorflow_message(error) == "a.png; No such file"
