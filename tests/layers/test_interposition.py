"""Calls of activation functions in a layer's own code: redirected in one thread, and only there."""

import threading

import keras
import tensorflow as tf
from keras import ops
from keras.activations import elu

from actsearch.layers.interposition import activation_functions, place_of, redirecting


class Code:
    def all_ways(self, x):
        return [keras.ops.relu(x), ops.nn.silu(x), keras.activations.gelu(x), tf.nn.relu(x), tf.tanh(x), elu(x)]

    def none(self, x):
        return keras.layers.ReLU()(x)


def redirected(call):
    seen = []

    def handler(function, frame, args, kwargs):
        seen.append(place_of(function, frame))
        return function(*args, **kwargs)

    with redirecting(Code, handler):
        call(tf.ones((1, 2)))
    return seen


def test_calls_by_any_name_are_redirected():
    places = redirected(Code().all_ways)
    assert [place.partition("@")[0] for place in places] == ["relu", "silu", "gelu", "relu", "tanh", "elu"]
    assert len({place.partition("@")[2] for place in places}) == 6


def test_calls_from_the_code_of_keras_are_not():
    assert redirected(Code().none) == []


def test_functions_are_the_same_before_and_after():
    before = keras.ops.relu, tf.nn.relu, elu
    redirected(Code().all_ways)
    assert (keras.ops.relu, tf.nn.relu, elu) == before
    assert all(id(function) in activation_functions() for function in before)


def test_another_thread_is_not_redirected():
    seen, values = [], []

    def handler(function, frame, args, kwargs):
        seen.append(function)
        return function(*args, **kwargs)

    with redirecting(Code, handler):
        thread = threading.Thread(target=lambda: values.append(float(ops.relu(2.0))))
        thread.start()
        thread.join()
    assert (seen, values) == ([], [2.0])
