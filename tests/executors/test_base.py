import os
import subprocess
import sys
import threading
import types
from functools import partial

import keras
import numpy as np
import pytest
import tensorflow as tf

from actsearch.errors import UnknownObjectiveError, UsageError
from actsearch.executors.base import InProcess
from actsearch.executors.isolated import Isolated
from actsearch.executors.serialization import Parcel
from actsearch.records import Direction, ExecutionRequest, Objective, Status
from actsearch.spaces import load_space
from actsearch.swap.searched_model import SearchedModel
from actsearch.training.data import TrainingData
from actsearch.training.execution import Executions
from tests.helpers.networks import small_network

ACCURACY = Objective("val_accuracy", Direction.MAX)
EVERYWHERE = [pytest.param("in process"), pytest.param("isolated", marks=pytest.mark.slow)]


def request(activation="relu", *, execution=1, seed=5, epochs=2, **values) -> ExecutionRequest:
    return ExecutionRequest(activation, execution, seed, epochs, {"activation": activation, **values})


@pytest.fixture
def data(digits):
    x, y = digits
    return TrainingData(x[:300], y[:300], (x[300:450], y[300:450]), (x[450:], y[450:]))


def executor(kind, data, build=small_network, objective=ACCURACY, **options):
    make = partial(Executions, build=build, data=data, objective=objective, **options)
    return InProcess(make()) if kind == "in process" else Isolated(make)


def run(kind, data, *requests, **options):
    with executor(kind, data, **options) as running:
        for each in requests:
            running.submit(each)
        return [running.next() for _ in requests]


class WithProcess(keras.callbacks.Callback):
    """Writes into the logs which process it runs in."""

    def on_epoch_end(self, epoch, logs=None):
        logs["process"] = float(os.getpid())


def processes(trained) -> set[float]:
    return {process for each in trained for process in each.record.history["process"]}


@pytest.mark.parametrize("kind", EVERYWHERE)
def test_what_is_asked_for_comes_back(data, kind):
    one, other = run(kind, data, request("relu"), request("selu"), callbacks=[WithProcess()])
    assert [one.record.trial_id, other.record.trial_id] == ["relu", "selu"]
    assert one.record.status is other.record.status is Status.COMPLETED
    assert one.record.started_at < one.record.ended_at <= other.record.started_at
    assert [w.shape for w in one.weights] == [(64, 16), (16,), (16, 10), (10,)]
    assert all(w.flags.writeable for w in one.weights)
    assert (processes([one, other]) == {os.getpid()}) == (kind == "in process")
    assert len(processes([one, other])) == 1


def sometimes_bad(hp):
    if hp.values["activation"] == "selu":
        raise RuntimeError("no such thing")
    return small_network(hp)


@pytest.mark.parametrize("kind", EVERYWHERE)
def test_an_execution_that_raises_is_failed_with_its_reason(data, kind):
    options = {"build": sometimes_bad, "callbacks": [WithProcess()]}
    first, bad, last = run(kind, data, request(), request("selu"), request(execution=2), **options)
    assert bad.record.status is Status.FAILED
    assert "RuntimeError: no such thing" in bad.record.reason
    assert first.record.status is last.record.status is Status.COMPLETED
    assert len(processes([first, last])) == 1


@pytest.mark.parametrize("kind", EVERYWHERE)
def test_what_makes_the_search_meaningless_is_raised(data, kind):
    with pytest.raises(UnknownObjectiveError, match="Did you mean 'val_accuracy'") as error:
        run(kind, data, request(), objective=Objective("val_acuracy", Direction.MAX))
    assert type(error.value) is UnknownObjectiveError


def interrupted(hp):
    raise KeyboardInterrupt


@pytest.mark.parametrize("kind", EVERYWHERE)
def test_an_interrupt_of_the_models_own_is_raised(data, kind):
    with pytest.raises(KeyboardInterrupt):
        run(kind, data, request(), build=interrupted)


def assert_same(some, others):
    for one, other in zip(some, others, strict=True):
        assert one.record.status is Status.COMPLETED, one.record.reason
        for name in ("score", "best_epoch", "test_metrics", "history", "health", "trainer"):
            assert getattr(one.record, name) == getattr(other.record, name), name
        for mine, theirs in zip(one.weights, other.weights, strict=True):
            np.testing.assert_array_equal(mine, theirs)


@pytest.mark.slow
def test_isolated_numbers_are_the_same_to_the_last_bit(data):
    asked = [request(name, seed=seed, execution=seed) for seed in (1, 2) for name in ("prelu", "selu")]
    isolated = run("isolated", data, *asked)
    assert_same(isolated, run("in process", data, *asked))
    assert [each.record.resources.trace_seconds == 0 for each in isolated] == [False, False, True, True]


@pytest.mark.slow
def test_an_existing_model_is_sent(data):
    model = keras.Sequential([keras.Input((64,)), keras.layers.Dense(16, "relu"), keras.layers.Dropout(0.2)])
    model.add(keras.layers.Dense(10, "softmax"))
    model.compile(keras.optimizers.AdamW(0.003), "sparse_categorical_crossentropy", metrics=["accuracy"])
    build = SearchedModel(model, load_space("relu_variants"))
    asked = [request(name) for name in ("relu", "prelu")]
    assert_same(run("isolated", data, *asked, build=build), run("in process", data, *asked, build=build))


class OwnHyperModel:
    """Build and fit share an object, and go on sharing it."""

    def build(self, hp):
        self.built = True
        return small_network(hp)

    def fit(self, hp, model, *args, **options):
        assert self.built
        return model.fit(*args, **options)


@pytest.mark.slow
def test_a_fit_of_the_users_own_is_sent(data):
    own = OwnHyperModel()
    options = {"build": own.build, "fit": own.fit, "callbacks": lambda: [WithProcess()]}
    [trained] = run("isolated", data, request(), **options)
    assert trained.record.trainer == "fit"
    assert trained.record.status is Status.COMPLETED, trained.record.reason
    assert not hasattr(own, "built")


class Locked(keras.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.lock = threading.Lock()


def test_what_cannot_be_sent_is_refused_before_a_process_starts(data, monkeypatch):
    monkeypatch.setattr("actsearch.executors.isolated.Child", None)
    lock = threading.Lock()

    def build(hp):
        with lock:
            return small_network(hp)

    with pytest.raises(UsageError, match="`build` cannot be sent.*lock.*module that can be imported.*without isolate"):
        executor("isolated", data, build=build)
    with pytest.raises(UsageError, match="`fit` cannot be sent"):
        executor("isolated", data, fit=build)
    with pytest.raises(UsageError, match=r"`callbacks` cannot be sent.*callbacks=lambda: \[MyCallback\(\)\]"):
        executor("isolated", data, callbacks=[Locked()])
    dataset = tf.data.Dataset.from_tensor_slices((data.x, data.y)).batch(50)
    with pytest.raises(UsageError, match="`data` cannot be sent.*Pass arrays"):
        executor("isolated", TrainingData(dataset, None, dataset))


@pytest.mark.slow
def test_what_cannot_be_used_there_is_refused_on_entering(data, monkeypatch):
    module = types.ModuleType("module_of_nowhere")
    exec("def build(hp): pass", module.__dict__)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    with (
        pytest.raises(UsageError, match="ModuleNotFoundError: No module named 'module_of_nowhere'.*without isolate"),
        executor("isolated", data, build=module.build),
    ):
        pytest.fail("it was entered")


SCRIPT = """
import sys
from functools import partial
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

import actsearch
from actsearch.records import Direction, ExecutionRequest, Objective
from actsearch.executors.isolated import Isolated
from actsearch.spaces import load_space
from actsearch.swap.searched_model import SearchedModel
from actsearch.training.data import TrainingData
from actsearch.training.execution import Executions

with Path("runs").open("a") as file:
    file.write("once ")
keras.config.set_floatx("float64")
keras.config.set_dtype_policy("float32")
tf.config.threading.set_intra_op_parallelism_threads(1)


@actsearch.register_activation("bent")
def bent(x, slope=0.3):
    return keras.ops.maximum(x, slope * x)


@keras.saving.register_keras_serializable()
class Doubled(keras.layers.Layer):
    def call(self, x):
        return x * FACTOR


FACTOR = 2
SPACE = {"activations": ["relu", "bent"]}


def checked(model):
    assert keras.config.floatx() == "float64"
    assert model.layers[0].kernel.dtype == "float32"
    assert tf.config.threading.get_intra_op_parallelism_threads() == 1
    return model


def build(hp):
    activation = actsearch.choose(hp, SPACE)
    layers = [keras.Input((4,)), keras.layers.Dense(8), activation.layer(), Doubled(), keras.layers.Dense(1)]
    model = keras.Sequential(layers)
    model.compile("adam", "mse")
    return checked(model)


existing = keras.Sequential([keras.Input((4,)), keras.layers.Dense(8, "relu"), Doubled(), keras.layers.Dense(1)])
existing.compile("adam", "mse")
rng = np.random.default_rng(0)
x, y = rng.normal(size=(64, 4)), rng.normal(size=64)
for made in (build, SearchedModel(existing, actsearch.load_space(SPACE))):
    make = partial(Executions, made, TrainingData(x, y, (x, y)), Objective("val_loss", Direction.MIN))
    asked = ExecutionRequest("0", 1, 3, 2, {"activation": "bent"})
    here = make().run(asked).record
    with Isolated(make) as executor:
        executor.submit(asked)
        there = executor.next().record
    assert there.score is not None, there.reason
    assert there.history == here.history
print("the end")
"""


@pytest.mark.slow
def test_a_script_is_not_run_again_in_the_child_process(tmp_path):
    """Its functions, what they use, what it has registered and set are there all the same."""
    (tmp_path / "script.py").write_text(SCRIPT)
    done = subprocess.run([sys.executable, "script.py"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "the end\n"
    assert (tmp_path / "runs").read_text() == "once "


def test_a_process_can_be_started_before_tensorflow_is_imported():
    code = "import sys, actsearch.executors.isolated; assert not {'tensorflow', 'keras'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_arrays_are_packed_without_a_copy():
    data = {"x": np.arange(6.0).reshape(2, 3), "empty": np.zeros((0, 3))}
    parcel = Parcel.of(data)
    assert len(parcel.arrays) == 2
    opened = parcel.opened()
    assert np.shares_memory(opened["x"], data["x"])
    np.testing.assert_array_equal(opened["x"], data["x"])
    assert opened["empty"].shape == (0, 3)
