"""What every executor does: in this process, in one child process, in two, and on Ray."""

import itertools
import os
import subprocess
import sys
import types
from functools import partial

import keras
import numpy as np
import pytest

from actsearch.errors import UnknownObjectiveError, UsageError
from actsearch.executors import Local, Ray
from actsearch.executors._ray_cluster import end_ray, start_ray
from actsearch.executors.specs import get, make_executor
from actsearch.records import Direction, ExecutionRequest, Objective, Status
from actsearch.spaces import load_space
from actsearch.swap.searched_model import SearchedModel
from actsearch.training.data import TrainingData
from actsearch.training.execution import Executions
from tests.helpers.networks import small_network

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:ray")
ACCURACY = Objective("val_accuracy", Direction.MAX)
SPECS = {"in process": None, "isolated": get("isolated"), "local": Local(2), "ray": Ray(2)}
IN_OTHERS = [pytest.param(kind, marks=pytest.mark.slow) for kind in ("isolated", "local", "ray")]
EVERYWHERE = [pytest.param("in process"), *IN_OTHERS]


@pytest.fixture(scope="module")
def ray_here():
    """Ray, as a program has it that uses it itself."""
    folder = start_ray(2)
    yield
    end_ray(folder)


@pytest.fixture(autouse=True)
def _with_ray(request):
    if "ray" in getattr(request.node, "callspec", types.SimpleNamespace(params={})).params.values():
        request.getfixturevalue("ray_here")


def request(activation="relu", *, execution=1, seed=5, epochs=2, **values) -> ExecutionRequest:
    return ExecutionRequest(activation, execution, seed, epochs, {"activation": activation, **values})


@pytest.fixture
def data(digits):
    x, y = digits
    return TrainingData(x[:300], y[:300], (x[300:450], y[300:450]), (x[450:], y[450:]))


def executor(kind, data, build=small_network, objective=ACCURACY, **options):
    return make_executor(SPECS[kind], partial(Executions, build=build, data=data, objective=objective, **options))


def run(kind, data, *requests, **options):
    """What the requests leave, in their order."""
    found = {}
    with executor(kind, data, **options) as running:
        for each in requests:
            running.submit(each)
        while len(found) < len(requests):
            if (trained := running.next()) is not None:
                found[trained.record.trial_id, trained.record.execution] = trained
    return [found[each.trial_id, each.execution] for each in requests]


class WithProcess(keras.callbacks.Callback):
    """Writes into the logs which process it runs in."""

    def on_epoch_end(self, epoch, logs=None):
        logs["process"] = float(os.getpid())


def processes(trained) -> set[float]:
    return {process for each in trained for process in each.record.history["process"]}


@pytest.mark.parametrize("kind", EVERYWHERE)
def test_what_is_asked_for_comes_back(data, kind):
    asked = [request("relu"), request("selu"), request("relu", execution=2), request("selu", execution=2)]
    found = run(kind, data, *asked, callbacks=[WithProcess()])
    assert [each.record.status for each in found] == [Status.COMPLETED] * 4
    assert all(each.record.started_at < each.record.ended_at for each in found)
    assert [w.shape for w in found[0].weights] == [(64, 16), (16,), (16, 10), (10,)]
    assert kind == "ray" or all(w.flags.writeable for w in found[0].weights)  # its store is read-only
    assert (processes(found) == {os.getpid()}) == (kind == "in process")
    assert len(processes(found)) <= (SPECS[kind].num_workers if SPECS[kind] else 1)


@pytest.mark.parametrize("kind", ["in process", pytest.param("isolated", marks=pytest.mark.slow)])
def test_one_process_runs_them_in_the_order_of_their_requests(data, kind):
    found = run(kind, data, request("selu"), request("relu"), request("elu"))
    for one, other in itertools.pairwise(found):
        assert one.record.ended_at <= other.record.started_at


def sometimes_bad(hp):
    if hp.values["activation"] == "selu":
        raise RuntimeError("no such thing")
    return small_network(hp)


@pytest.mark.parametrize("kind", EVERYWHERE)
def test_an_execution_that_raises_is_failed_with_its_reason(data, kind):
    options = {"build": sometimes_bad, "callbacks": [WithProcess()]}
    first, bad, last = run(kind, data, request(), request("selu"), request(execution=2), **options)
    assert bad.record.status is Status.FAILED
    assert bad.record.reason.startswith("RuntimeError: no such thing")
    assert "tries" not in bad.record.reason
    assert first.record.status is last.record.status is Status.COMPLETED


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


@pytest.mark.parametrize("kind", IN_OTHERS)
def test_numbers_are_the_same_to_the_last_bit(data, kind):
    asked = [request(name, seed=seed, execution=seed) for seed in (1, 2) for name in ("prelu", "selu")]
    found = run(kind, data, *asked)
    assert_same(found, run("in process", data, *asked))
    if SPECS[kind].num_workers == 1:
        assert [each.record.resources.trace_seconds == 0 for each in found] == [False, False, True, True]


@pytest.mark.parametrize("kind", IN_OTHERS)
def test_an_existing_model_is_sent(data, kind):
    model = keras.Sequential([keras.Input((64,)), keras.layers.Dense(16, "relu"), keras.layers.Dropout(0.2)])
    model.add(keras.layers.Dense(10, "softmax"))
    model.compile(keras.optimizers.AdamW(0.003), "sparse_categorical_crossentropy", metrics=["accuracy"])
    build = SearchedModel(model, load_space("relu_variants"))
    asked = [request(name) for name in ("relu", "prelu")]
    assert_same(run(kind, data, *asked, build=build), run("in process", data, *asked, build=build))


class OwnHyperModel:
    """Build and fit share an object, and share it in a worker too."""

    def build(self, hp):
        self.built = True
        return small_network(hp)

    def fit(self, hp, model, *args, **options):
        assert self.built
        return model.fit(*args, **options)


@pytest.mark.parametrize("kind", IN_OTHERS)
def test_a_fit_of_the_users_own_is_sent(data, kind):
    own = OwnHyperModel()
    options = {"build": own.build, "fit": own.fit, "callbacks": lambda: [WithProcess()]}
    [trained] = run(kind, data, request(), **options)
    assert trained.record.trainer == "fit"
    assert trained.record.status is Status.COMPLETED, trained.record.reason
    assert not hasattr(own, "built")


@pytest.mark.parametrize("kind", IN_OTHERS)
def test_what_cannot_be_used_there_is_refused_on_entering(data, monkeypatch, kind):
    module = types.ModuleType("module_of_nowhere")
    exec("def build(hp): pass", module.__dict__)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    with (
        pytest.raises(UsageError, match="ModuleNotFoundError: No module named 'module_of_nowhere'.*omit executor"),
        executor(kind, data, build=module.build),
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
from actsearch.executors.specs import get, make_executor
from actsearch.records import Direction, ExecutionRequest, Objective
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
    with make_executor(get("isolated"), make) as executor:
        executor.submit(asked)
        while (trained := executor.next()) is None:
            pass
        there = trained.record
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
