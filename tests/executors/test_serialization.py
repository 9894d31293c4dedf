import threading
from functools import partial

import pytest
import tensorflow as tf

from actsearch.errors import UnknownNameError, UsageError
from actsearch.executors.payload import Payload
from actsearch.executors.serialization import Raised, answer_of, pack_job
from actsearch.training.callbacks import Callbacks
from actsearch.training.data import TrainingData
from actsearch.training.execution import Executions
from tests.helpers.factories import ACCURACY
from tests.helpers.networks import small_network


def test_an_error_is_sent_with_its_class_and_message_alone():
    def work():
        raise UnknownNameError("oracle", "gird", ["grid"])

    raised = Payload.pack(answer_of(work)).unpack()
    assert isinstance(raised, Raised)
    error = raised.error()
    assert type(error) is UnknownNameError
    assert str(error) == "Unknown oracle 'gird'. Did you mean 'grid'? Known: grid."


class Locked:
    def __init__(self):
        self.lock = threading.Lock()


def locked_build(lock):
    def build(hp):
        with lock:
            return small_network(hp)

    return build


def packed(x, y, build=small_network, callbacks: Callbacks = (), fit=None):
    return pack_job(partial(Executions, build, TrainingData(x, y, (x, y)), ACCURACY, callbacks=callbacks, fit=fit))


def test_what_cannot_be_sent_is_named_with_what_to_do(digits):
    x, y = digits
    build = locked_build(threading.Lock())
    with pytest.raises(UsageError, match="`build` cannot be sent.*lock.*module that can be imported.*omit executor"):
        packed(x, y, build=build)
    with pytest.raises(UsageError, match="`fit` cannot be sent"):
        packed(x, y, fit=build)
    with pytest.raises(UsageError, match=r"`callbacks` cannot be sent.*callbacks=lambda: \[MyCallback\(\)\]"):
        packed(x, y, callbacks=[Locked()])
    with pytest.raises(UsageError, match="`data` cannot be sent.*Pass arrays"):
        packed(tf.data.Dataset.from_tensor_slices((x, y)).batch(50), None)
