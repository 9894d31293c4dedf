"""A data set as executions use it."""

import numpy as np
import tensorflow as tf

from actsearch.training.datasets import pipeline
from actsearch.training.datasets.pipeline import Pipeline, first_of, len_of

X = np.arange(10, dtype="float32").reshape(5, 2)
DATASET = tf.data.Dataset.from_tensor_slices({"a": X, "b": np.arange(5)}).batch(2)


def test_the_first_batch_is_read_once():
    read = []

    def batches():
        read.append(1)
        yield X

    dataset = tf.data.Dataset.from_generator(batches, output_signature=tf.TensorSpec((None, 2), tf.float32))
    assert first_of(dataset) is first_of(dataset)
    assert Pipeline(dataset, "x").num_in_batch == 5
    assert len(read) == 1


def test_all_samples_are_kept_if_they_are_few_and_in_order(monkeypatch):
    np.testing.assert_array_equal(Pipeline(DATASET, "x").samples["a"], X)
    np.testing.assert_array_equal(Pipeline(DATASET, "x", steps=2).samples["b"], np.arange(4))
    assert Pipeline(DATASET.shuffle(3), "x").samples is None
    assert Pipeline(DATASET.ragged_batch(2), "x").samples is None
    widths = tf.data.Dataset.from_generator(lambda: iter([X, X[:, :1]]), output_signature=tf.TensorSpec((None, None)))
    assert Pipeline(widths.cache(), "x").samples is None
    monkeypatch.setattr(pipeline, "MAX_BYTES_OF_SAMPLES", 30)
    assert Pipeline(DATASET, "x").samples is None


def test_what_is_repeated_is_the_first_batch():
    made = list(Pipeline(DATASET, "x").repeated().take(3))
    assert [batch["b"].numpy().tolist() for batch in made] == [[0, 1]] * 3
    assert Pipeline(DATASET, "x").repeated().element_spec == DATASET.element_spec


def test_batches_get_weights_by_class():
    weighted = Pipeline(tf.data.Dataset.from_tensors((X, [0, 1, 0, 1, 1])), "x", class_weight={0: 2.0, 1: 3.0})
    assert weighted.prepared(weighted.first)[2].numpy().tolist() == [2.0, 3.0, 2.0, 3.0, 3.0]


def test_tensors_of_any_kind_have_a_number_of_samples():
    ragged = tf.ragged.constant([[1], [2, 3], []])
    assert [len_of(each) for each in (ragged, tf.zeros((4, 2)), tf.constant(1.0), tf.sparse.eye(3))] == [3, 4, 1, 3]
