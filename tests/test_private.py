"""Private names of other packages: touched in one file, and there."""

import ast
import importlib
import inspect
import textwrap
from importlib.metadata import version
from pathlib import Path

import keras
import keras_tuner
import numpy as np
import pytest
import tensorflow as tf

import actsearch
from actsearch import _private
from actsearch.training.callbacks import Recorder
from actsearch.tuning.mlflow_tracking import MLflowTracking
from actsearch.tuning.oracles import GridOracle
from actsearch.tuning.tuner import ActivationTuner

PACKAGE = Path(actsearch.__file__).parent
MODULES = [path for path in sorted(PACKAGE.rglob("*.py")) if path.name != "_private.py"]
OTHERS = ("keras", "keras_tuner", "mlflow", "tensorflow")
OURS = {"_exit"}  # os._exit


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


def private_names(path: Path) -> set[str]:
    """The private names of others that a module uses: imported, read from what is not its own object, or in a text."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in OTHERS:
            parts = [*(node.module or "").split("."), *(alias.name for alias in node.names)]
            found |= {part for part in parts if is_private(part) or part == "src"}
        elif isinstance(node, ast.Import):
            found |= {a.name for a in node.names if a.name.split(".")[0] in OTHERS and ".src" in a.name}
        elif isinstance(node, ast.Attribute) and is_private(node.attr):
            mine = isinstance(node.value, ast.Name) and node.value.id in ("self", "cls", "actsearch")
            inherited = isinstance(node.value, ast.Call) and getattr(node.value.func, "id", "") == "super"
            found |= set() if mine or inherited else {node.attr}
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.startswith("keras.src"):
            found.add(node.value)
    return found - OURS


@pytest.mark.parametrize("path", MODULES, ids=[str(path.relative_to(PACKAGE)) for path in MODULES])
def test_no_other_module_touches_private_names_of_others(path):
    assert not private_names(path), f"move what touches them into {_private.__name__}, with its reason"


@pytest.mark.parametrize("ours", [ActivationTuner, GridOracle, MLflowTracking, Recorder])
def test_our_classes_use_no_private_names_of_their_bases(ours):
    """What a class of ours calls `_name` is its own, but for the methods that are overridden on purpose."""
    bases = (
        [keras_tuner.Tuner] if ours is MLflowTracking else [b for b in ours.__mro__ if b.__module__.startswith(OTHERS)]
    )
    inherited = {name for base in bases for name in vars(base) if is_private(name)}
    tree = ast.parse(textwrap.dedent(inspect.getsource(ours)))
    used = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute) and is_private(node.attr)}
    used |= {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    assert used & inherited <= set(_private.OVERRIDDEN)


def network():
    inputs = keras.Input((4,), name="inputs")
    outputs = keras.layers.TimeDistributed(keras.layers.Dense(2), name="wrapper")(keras.ops.expand_dims(inputs, 1))
    model = keras.Model(inputs, keras.layers.Flatten(name="flat")(outputs))
    model.compile("adamw", "mse")
    return model


def oracle():
    return keras_tuner.oracles.RandomSearchOracle(keras_tuner.Objective("loss", "min"), max_trials=3)


def check_functional_class():
    assert isinstance(network(), _private.functional_class())
    assert not isinstance(keras.Sequential([]), _private.functional_class())


def check_class_in_config():
    assert _private.class_in_config("keras.layers", "Dense", "Dense") is keras.layers.Dense


def check_functional_inside():
    built = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    assert isinstance(_private.functional_inside(built), _private.functional_class())
    assert _private.functional_inside(keras.Sequential([])) is None


def check_nodes_of():
    assert [node.operation.name for node in _private.nodes_of(network())][-2:] == ["wrapper", "flat"]


def check_run_through_graph():
    model, called = network(), []

    def call(operation, *args, **kwargs):
        called.append(operation.name)
        return operation(*args, **kwargs)

    _private.run_through_graph(model, keras.Input((4,)), lambda operation: operation, call)
    assert called[-2:] == ["wrapper", "flat"]


def check_operation_of():
    assert _private.operation_of(network().outputs[0]).name == "flat"


def check_mask_of():
    embedded = keras.layers.Embedding(3, 2, mask_zero=True)(np.array([[0, 1]]))
    assert np.array_equal(_private.mask_of(embedded), [[False, True]])
    assert _private.mask_of(keras.Input((4,))) is None


def check_layers_in():
    assert [type(layer).__name__ for layer in _private.layers_in(network(), include_self=False)][-3:-1] == [
        "TimeDistributed",
        "Dense",
    ]
    assert _private.layers_in(network())[0].name.startswith("functional")


def check_direct_layers():
    wrapper = network().get_layer("wrapper")
    assert list(_private.direct_layers(wrapper)) == [wrapper.layer]


def check_changing_attributes():
    model = network()
    dense = model.get_layer("wrapper").layer
    with _private.changing_attributes(dense):
        dense.extra = keras.layers.PReLU()
    dense.extra.build((None, 3))
    assert any(weight is dense.extra.trainable_weights[0] for weight in model.trainable_weights)
    with pytest.raises(ValueError, match="cannot add"):
        dense.more = keras.layers.PReLU()


def check_discard_own_weights():
    layer = keras.layers.PReLU()
    layer.build((None, 3))
    _private.discard_own_weights(layer)
    assert layer.weights == []


def check_discard_losses():
    layer = keras.layers.ActivityRegularization(1.0)
    layer(np.ones((1, 2)))
    _private.discard_losses(layer)
    assert layer.losses == []


def check_own_trainable_variables():
    wrapper = network().get_layer("wrapper")
    assert _private.own_trainable_variables(wrapper) == []
    assert _private.own_trainable_variables(wrapper.layer) == wrapper.layer.trainable_variables


def check_own_variables():
    wrapper = network().get_layer("wrapper")
    assert _private.own_variables(wrapper) == []
    assert _private.own_variables(keras.layers.BatchNormalization()) == []
    assert _private.own_variables(wrapper.layer) == wrapper.layer.weights


def check_constructor_arguments():
    arguments = _private.constructor_arguments(keras.layers.Dropout(0.5, seed=3))
    assert arguments | {"noise_shape": None} == {
        "rate": 0.5,
        "noise_shape": None,
        "seed": 3,
    }  # Keras 3.8 omits defaults
    assert _private.constructor_arguments(keras.layers.Dense(3, activation=np.tanh)) == {}


def check_document_weights_of():
    text = keras.layers.TextVectorization(output_mode="tf_idf")
    assert _private.document_weights_of(text) is None
    text.adapt(["a b", "b"])
    assert len(_private.document_weights_of(text)) == len(text.get_vocabulary())
    assert _private.document_weights_of(keras.layers.StringLookup()) is None


def check_compile_arguments():
    arguments = _private.compile_arguments(network())
    assert isinstance(arguments["optimizer"], keras.optimizers.AdamW)
    assert arguments["loss"] == "mse"
    keras.Model.compile(network(), **arguments)


def check_optimizer_config():
    schedule = keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.5)
    assert _private.optimizer_config(keras.optimizers.SGD(schedule, momentum=0.5))["learning_rate"] is schedule
    assert _private.optimizer_config(keras.optimizers.SGD(0.5))["learning_rate"] == 0.5


def check_function_of_metric():
    metric = keras.metrics.MeanMetricWrapper(keras.losses.huber, delta=0.5)
    assert _private.function_of_metric(metric) == (keras.losses.huber, {"delta": 0.5})


def check_compute_loss():
    assert float(_private.compute_loss(network(), np.ones((1, 4)), np.ones((1, 2)), np.zeros((1, 2)), None)) == 1.0


def check_is_decayed():
    model = network()
    kernel, bias = model.trainable_variables
    model.optimizer.exclude_from_weight_decay(var_list=[bias])
    assert (_private.is_decayed(model.optimizer, kernel), _private.is_decayed(model.optimizer, bias)) == (True, False)


def check_output_shape_of():
    assert _private.output_shape_of(keras.layers.Lambda(lambda x: x, output_shape=(4,))) == (4,)


def check_keras_message():
    config = {"units": 1, "activation": "needs_curves"}
    with pytest.raises(Exception, match="needs_curves") as caught:
        keras.layers.deserialize({"class_name": "Dense", "config": config, "module": "keras.layers"})
    message = _private.keras_message(caught.value)
    assert "needs_curves" in message
    assert "\n" not in message
    assert "Full object config" not in message
    assert _private.keras_message(ValueError("")) == "ValueError"


def check_reset_layer_names():
    _private.reset_layer_names()
    first = keras.layers.Dense(1).name
    _private.reset_layer_names()
    assert keras.layers.Dense(1).name == first


def check_record_values_and_is_duplicate():
    proposer, values = oracle(), {"units": 3}
    assert not _private.is_duplicate(proposer, values)
    hp = keras_tuner.HyperParameters()
    hp.values = values
    trial = keras_tuner.engine.trial.Trial(hyperparameters=hp, trial_id="0")
    proposer.trials["0"] = trial
    _private.record_values(proposer, trial)
    assert _private.is_duplicate(proposer, values)


def check_use_oracle():
    first, other = oracle(), oracle()
    tuner = keras_tuner.Tuner(first, lambda hp: network(), directory=str(Path.cwd()), project_name="one")
    _private.use_oracle(tuner, other)
    assert tuner.oracle is other
    other.save()  # into the tuner's folder
    assert (Path.cwd() / "one" / "oracle.json").exists()


def check_overridden():
    assert [name for name in _private.OVERRIDDEN if not hasattr(keras_tuner.Tuner, name)] == []


def check_operation_modules():
    for module in _private.OPERATION_MODULES:
        importlib.import_module(module)
    assert type(_private.operation_of(keras.ops.relu(keras.Input((4,))))).__module__ in _private.OPERATION_MODULES


def check_model_files():
    from mlflow.models import Model

    folder = Path.cwd()
    _private.save_example(Model(), np.ones((1, 2)), folder)
    assert (folder / "input_example.json").exists()
    assert "mlflow" in str(_private.conda_environment(["keras==3"]))
    _private.write_python_environment(folder / "python_env.yaml")
    assert (folder / "python_env.yaml").read_text().startswith("python:")


def check_page_token_at():
    from mlflow import MlflowClient

    client = MlflowClient("sqlite:///paged.db")
    made = [client.create_run("0").info.run_id for _ in range(2)]
    assert _private.page_token_at(0) is None
    page = client.search_runs(["0"], order_by=["run_name"], page_token=_private.page_token_at(1))
    assert {run.info.run_id for run in page} < set(made)


def check_is_stateful():
    assert [_private.is_stateful(name) for name in ("MatMul", "AssignVariableOp", "NoSuchOperation")] == [
        False,
        True,
        True,
    ]


def check_flops_of_node():
    forward = tf.function(lambda: tf.ones((4, 8)) @ tf.ones((8, 2)), autograph=False).get_concrete_function()
    counts = [_private.flops_of_node(forward.graph, each.node_def) for each in forward.graph.get_operations()]
    assert sum(counts) == 2 * 4 * 8 * 2
    x = tf.TensorSpec((None, 8))
    unknown = tf.function(lambda x: x @ tf.ones((8, 2)), autograph=False).get_concrete_function(x).graph
    assert None in [_private.flops_of_node(unknown, each.node_def) for each in unknown.get_operations()]


def check_metric_by_name():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile(loss="mse", metrics=["mae"])
    x, y = np.ones((3, 2)), np.zeros((3, 1))
    assert _private.metric_by_name(model, "mae", y, model(x)) is None  # not built yet
    model.evaluate(x, y, verbose=0)
    metric, y_true, _, is_weighted = _private.metric_by_name(model, "mae", y, model(x))
    assert (metric.name, y_true is y, is_weighted) == ("mae", True, False)
    assert _private.metric_by_name(model, "mse", y, model(x)) is None


def check_metrics_given_to():
    model = network()
    assert _private.metrics_given_to(model) == []
    model.compile("adam", "mse", metrics=["mae"], weighted_metrics=[keras.metrics.AUC(name="area")])
    given = _private.metrics_given_to(model)
    assert (given[0], given[1].name) == ("mae", "area")


CHECKS = [value for name, value in sorted(globals().items()) if name.startswith("check_")]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__.removeprefix("check_"))
def test_the_private_names_are_there_and_do_what_we_need(check):
    try:
        check()
    except Exception as error:
        versions = ", ".join(f"{name} {version(name)}" for name in ("keras", "keras-tuner", "mlflow"))
        name = check.__name__.removeprefix("check_")
        error.add_note(
            f"{versions}: `{name}` of actsearch/_private.py no longer works; its docstring says why it is there"
        )
        raise


def test_a_callback_that_profiles_batches_is_known():
    assert not _private.profiles_batches(keras.callbacks.TensorBoard("logs"))


def test_the_epoch_of_a_backup_is_taken_once():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model._initial_epoch = 3
    assert [_private.take_initial_epoch(model), _private.take_initial_epoch(model)] == [3, 0]


def test_every_private_function_is_checked():
    functions = {
        name
        for name, value in vars(_private).items()
        if inspect.isfunction(inspect.unwrap(value)) and not is_private(name) and value.__module__ == _private.__name__
    }
    text = "".join(path.read_text("utf-8") for path in Path(__file__).parent.glob("test_private*.py"))
    assert [name for name in sorted(functions) if f"_private.{name}(" not in text] == []
