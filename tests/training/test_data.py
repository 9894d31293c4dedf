"""The data of a search: what `model.fit` takes is taken, and handed to `train_step` as `model.fit` hands it."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from actsearch.errors import DataError, UsageError
from actsearch.training.data import check_fixed_batch, describe_data, first_batch, training_data
from actsearch.training.model_cache import fixed_batch_size

X = np.random.default_rng(0).normal(size=(20, 4)).astype("float32")
Y = np.arange(20) % 3
TWO = {"kind": Y, "size": X[:, :1]}
WEIGHT = np.linspace(0, 1, 20)


def shapes(data):
    return keras.tree.map_structure(lambda tensor: tuple(tensor.shape), data)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((X, None), (20, 4)),
        (([X, X], None), (((20, 4), (20, 4)),)),
        (({"a": X}, None), {"a": (20, 4)}),
        ((X, Y), ((20, 4), (20,))),
    ],
    ids=["bare x", "list", "dict", "x and y"],
)
def test_train_step_gets_what_fit_gives_it(arguments, expected):
    class Spy(keras.Model):
        def train_step(self, data):
            self.got = shapes(data)
            return {"loss": 0.0}

    tensors = training_data(*arguments).tensors()
    assert shapes(tensors.train) == expected
    model = Spy()
    model.compile("sgd")
    model.run_eagerly = True
    x, y = arguments
    model.fit(x, y, batch_size=20, verbose=0)
    assert model.got == expected


@pytest.mark.parametrize("given", [X, (X,), (X, None), [X]], ids=["x", "tuple", "None", "list"])
def test_validation_data_may_be_x_alone(given):
    assert shapes(training_data(X, validation_data=given).tensors().validation) == (20, 4)


def test_weights_of_each_output_are_nested_like_the_targets():
    weights = {"kind": WEIGHT, "size": WEIGHT[::-1]}
    data = training_data(X, TWO, sample_weight=weights, validation_data=(X, TWO, weights))
    assert shapes(data.tensors().train[2]) == {"kind": (20,), "size": (20,)}
    assert shapes(data.tensors().validation[2]) == {"kind": (20,), "size": (20,)}


def test_one_weight_counts_for_all_outputs():
    data = training_data(X, TWO, sample_weight=WEIGHT)
    assert shapes(data.weight) == {"kind": (20,), "size": (20,)}


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"y": TWO, "sample_weight": {"kind": WEIGHT}}, "not nested like y, which has kind, size"),
        ({"y": TWO, "sample_weight": {"kind": WEIGHT, "size": WEIGHT[:3]}}, "has 3 entries, but there are 20"),
        ({"sample_weight": WEIGHT}, "without y would be ignored"),
        ({"class_weight": {0: 2.0}}, "there are no y"),
        ({"y": TWO, "class_weight": {0: 2.0}}, "there are several targets"),
        ({"y": Y[:, None, None] * np.ones((1, 2, 2)), "class_weight": {0: 2.0}}, "such as one for each pixel"),
        ({"validation_data": (X, X, X, X)}, "it has 4 parts"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_fit_would_refuse_or_ignore_is_refused_with_its_reason(options, says):
    with pytest.raises(UsageError, match=says):
        training_data(X, **options)


def test_weights_of_classes_and_samples_are_multiplied():
    data = training_data(X, Y, class_weight={1: 3.0}, sample_weight=WEIGHT)
    np.testing.assert_allclose(data.weight, WEIGHT * np.where(Y == 1, 3.0, 1.0), rtol=1e-6)


def test_nan_targets_are_an_option():
    y = np.where(Y == 0, np.nan, 1.0 * Y)
    with pytest.raises(DataError, match="allow_nan_targets=True"):
        training_data(X, y)
    data = training_data(X, y, allow_nan_targets=True, validation_data=(X, y))
    assert np.isnan(data.y).sum() == np.isnan(data.validation[1]).sum() == 7
    with pytest.raises(DataError, match="data: x has missing values") as error:
        training_data(X * np.nan, y, allow_nan_targets=True)
    assert "allow_nan_targets" not in str(error.value)


def test_shuffling_is_no_reason_to_train_by_fit():
    data = training_data(X, Y, fit_options={"shuffle": False})
    assert (data.shuffle, dict(data.fit_options)) == (False, {})
    assert training_data(X, Y, fit_options={"shuffle": "batch"}).fit_options == {"shuffle": "batch"}


def endless():
    while True:
        yield X, Y


DATASET = tf.data.Dataset.from_tensor_slices((X, Y)).batch(5)


@pytest.mark.parametrize(
    ("x", "options", "says"),
    [
        (endless, {}, "x is a function, and nothing says.*steps_per_epoch"),
        (endless(), {}, "x is a generator, and nothing says"),
        (endless(), {"steps_per_epoch": 2, "shuffle": True}, "a generator determines its order"),
        (DATASET, {"shuffle": False}, "a data set determines its order"),
    ],
    ids=["function", "generator", "shuffled generator", "data set"],
)
def test_generators_say_how_many_batches_an_epoch_has(x, options, says):
    with pytest.raises(UsageError, match=says):
        training_data(x, fit_options=options)


def test_a_generator_is_looked_at_without_being_read():
    data = training_data(endless(), fit_options={"steps_per_epoch": 2})
    assert describe_data(data) == {"name": "generator"}
    np.testing.assert_array_equal(data.probe()[0], X)
    np.testing.assert_array_equal(first_batch(data.x)[1], Y)
    assert data.tensors() is None


def test_the_data_of_a_model_without_targets_have_a_fingerprint():
    one, other = (describe_data(training_data(x)) for x in (X, X + 1))
    assert one["fingerprint"] != other["fingerprint"]


def test_a_fixed_batch_size_is_checked():
    model = keras.Sequential([keras.Input(batch_shape=(5, 4)), keras.layers.Dense(1)])
    assert fixed_batch_size(model) == 5
    check_fixed_batch(training_data(X, Y, validation_data=(X[:10], Y[:10])), 5, 5)
    with pytest.raises(UsageError, match="batches of 5 samples only, but batch_size is 32"):
        check_fixed_batch(training_data(X, Y), 5, 32)
    with pytest.raises(UsageError, match="12 validation samples are no multiple"):
        check_fixed_batch(training_data(X, Y, validation_data=(X[:12], Y[:12])), 5, 5)
