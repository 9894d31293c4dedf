import keras
import pytest
import tensorflow as tf

from actsearch.activations.bound import bind
from actsearch.training.costs.graph_costs import SavedTensors, counting_saved_tensors, flops_per_sample, saved_tensors

layers = keras.layers


def model_with(activation, *, convolutional=False):
    parts = [keras.Input((8, 8, 1)), layers.Conv2D(4, 3)] if convolutional else [keras.Input((64,)), layers.Dense(32)]
    model = keras.Sequential([*parts, activation(), layers.Flatten(), layers.Dense(10)])
    model.compile("sgd", keras.losses.MeanSquaredError())
    model.optimizer.build(model.trainable_variables)
    return model


def saved_by(model):
    x, y = (tf.TensorSpec((None, *shape[1:])) for shape in (model.input_shape, model.output_shape))
    step = tf.function(lambda x, y: model.train_step((x, y)), autograph=False)
    return saved_tensors(step.get_concrete_function(x, y).graph)


def forward_of(model, count=None):
    x = tf.TensorSpec((count, *model.input_shape[1:]))
    return tf.function(model, autograph=False).get_concrete_function(x)


def test_what_the_backward_pass_reads_is_counted_once():
    """x, the output of ReLU for its own gradient and that of the next layer, and the error."""
    assert saved_by(model_with(layers.ReLU)).bytes_per_sample == 4 * (64 + 32 + 10)


def test_activations_differ_by_what_their_gradients_need():
    saved = {name: saved_by(model_with(bind(name).layer)) for name in ("relu", "elu", "tanh", "prelu", "silu", "gelu")}
    extra = {name: each.bytes_per_sample - saved["relu"].bytes_per_sample for name, each in saved.items()}
    assert extra["elu"] == extra["tanh"] == 0
    assert extra["prelu"] == extra["silu"] == 4 * 32
    assert extra["gelu"] > extra["prelu"]
    assert saved_by(model_with(bind("relu").layer)) == saved["relu"]


def test_a_dense_layer_on_sequences_keeps_its_input_once():
    model = keras.Sequential([keras.Input((7, 16)), layers.Dense(8, activation="relu"), layers.Flatten()])
    model.compile("sgd", "mse")
    model.optimizer.build(model.trainable_variables)
    assert saved_by(model).bytes_per_sample == 4 * (7 * 16 + 7 * 8 + 7 * 8)


def test_the_steps_of_a_recurrent_layer_are_not_guessed():
    model = keras.Sequential([keras.Input((7, 16)), layers.SimpleRNN(8), layers.Dense(1)])
    model.compile("sgd", "mse")
    model.optimizer.build(model.trainable_variables)
    assert saved_by(model) is None
    assert flops_per_sample(forward_of(model)) is None


def test_a_graph_without_a_backward_pass_has_no_count():
    assert saved_tensors(forward_of(model_with(layers.ReLU)).graph) is None


def test_a_batch_adds_to_what_is_fixed():
    assert SavedTensors(100, 8).bytes_for(32) == 356


def test_model_fit_is_counted_while_it_traces_and_keeps_its_step():
    model = model_with(layers.ReLU)
    with counting_saved_tensors(model) as found:
        model.fit(tf.zeros((8, 64)), tf.zeros((8, 10)), batch_size=4, verbose=0)
    assert [each.bytes_for(4) for each in found] == [saved_by(model_with(layers.ReLU)).bytes_for(4)]
    assert "train_step" not in vars(model)


@pytest.mark.parametrize("name", ["relu", "gelu", "prelu"])
def test_operations_are_those_of_tensorflows_profiler(name, capfd):
    model = model_with(bind(name).layer, convolutional=True)
    found = flops_per_sample(forward_of(model))
    assert capfd.readouterr() == ("", "")
    profiler = tf.compat.v1.profiler
    options = profiler.ProfileOptionBuilder(profiler.ProfileOptionBuilder.float_operation()).with_empty_output().build()
    assert found == profiler.profile(forward_of(model, 1).graph, cmd="op", options=options).total_float_ops


def test_operations_of_a_fixed_batch_are_for_one_sample_and_those_of_einsum_are_unknown():
    model = model_with(layers.ReLU)
    assert flops_per_sample(forward_of(model, 4)) == pytest.approx(flops_per_sample(forward_of(model)), abs=1)
    embedded = keras.Sequential([keras.Input((7,)), layers.Embedding(9, 4), layers.Flatten(), layers.Dense(2)])
    assert flops_per_sample(forward_of(embedded)) == 2 * 28 * 2 + 2 + 2 * 7  # negative indices
    attending = keras.Sequential([keras.Input((7, 4)), layers.Lambda(lambda x: tf.einsum("abc,adc->abd", x, x))])
    assert flops_per_sample(forward_of(attending)) is None
