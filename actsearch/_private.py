"""Private names of Keras, KerasTuner and MLflow: no other module touches any.

Each is here because no public name does the same; its function says what would replace it. All were checked on Keras
3.15.1, KerasTuner 1.4.8 and MLflow 3.17.2; `tests/test_private.py` says which one a new version has taken away.
Everything is imported when it is called, so this module loads nothing.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from actsearch.errors import shorten

# Where Keras defines its operations and functions: what tells them from a user's own of the same name. Replaced by a
# public way to ask whether an object is Keras's.
OPERATION_MODULES = ("keras.src.ops.nn", "keras.src.ops.numpy", "keras.src.activations.activations")

# The prefix of the tags in which MLflow keeps how a page is arranged. Replaced by a call of its client that does.
VIEW_TAG = "mlflow.sharedViewState."

# Methods of KerasTuner's Tuner that ours override, since no hook lies around them: a build with its seed, an execution
# by itself, and no build of its own to find the space. Replaced by hooks around an execution.
OVERRIDDEN = ("_build_and_fit_model", "_build_hypermodel", "_populate_initial_space")


@cache
def functional_class() -> Any:
    """The class of functional models, whose order of layers is known. Replaced by `keras.Functional`, were it there."""
    from keras.src.models.functional import Functional

    return Functional


def functional_inside(model: Any) -> Any:
    """The functional model that a built Sequential runs; None in others. Replaced by `Sequential` being one."""
    return getattr(model, "_functional", None)


def nodes_of(graph: Any) -> Iterator[Any]:
    """The nodes of a functional model, each after those that feed it. Replaced by a public order of its nodes."""
    for depth in sorted(graph._nodes_by_depth, reverse=True):
        yield from graph._nodes_by_depth[depth]


def run_through_graph(graph: Any, inputs: Any, operation_fn: Callable[[Any], Any], call_fn: Callable[..., Any]) -> Any:
    """Runs other operations in the order of a functional model's. Replaced by `keras.models.clone_model`, once its
    `call_function` may add operations behind a layer of a nested model.
    """
    return graph._run_through_graph(inputs, operation_fn=operation_fn, call_fn=call_fn)


def operation_of(tensor: Any) -> Any:
    """The operation that made a symbolic tensor. Replaced by a public `KerasTensor.operation`."""
    return tensor._keras_history.operation


def mask_of(tensor: Any) -> Any:
    """The mask that goes with a tensor; None where there is none. Replaced by `keras.src.backend.get_keras_mask`, were
    it exported.
    """
    return getattr(tensor, "_keras_mask", None)


def layers_in(layer: Any, *, include_self: bool = True) -> list[Any]:
    """A layer or model and all layers in it, however deep: `model.layers` misses those in wrappers and cells.

    Replaced by a public way to flatten.
    """
    return list(layer._flatten_layers(include_self=include_self))


def direct_layers(operation: Any) -> Sequence[Any]:
    """The layers that a layer has as its attributes. Replaced by a public `Layer.layers`."""
    return getattr(operation, "_layers", ())


def own_trainable_variables(layer: Any) -> list[Any]:
    """The variables of a layer without those of the layers in it. Replaced by a public name for them."""
    return list(layer._trainable_variables)


def compute_loss(model: Any, x: Any, y: Any, outputs: Any, weight: Any) -> Any:
    """The loss of a training step, whether or not the model's own `compute_loss` takes `training`.

    Replaced by `model.compute_loss`, once nobody's lacks that argument.
    """
    return model._compute_loss(x, y, outputs, weight, training=True)


def is_decayed(optimizer: Any, variable: Any) -> bool:
    """Whether an optimizer decays a variable. Replaced by a public way to read what was excluded."""
    return bool(optimizer._use_weight_decay(variable))


def output_shape_of(layer: Any) -> Any:
    """The `output_shape` that a Lambda layer was given. Replaced by its config, once that loads what it holds."""
    return layer._output_shape


def keras_message(error: Exception) -> str:
    """What an error of Keras's says, in one line, without the configs and examples that it adds.

    Replaced by errors that carry them apart from their message.
    """
    innermost = str(error).rpartition("Exception encountered: ")[2].strip()
    message = innermost.partition("\n\n")[0].partition(" Full object config")[0]
    return shorten(message) or type(error).__name__


def reset_layer_names() -> None:
    """Lets the names of layers count from the start again. Replaced by a `keras.utils.clear_session` that does no more:
    ours would wipe traces and seeds.
    """
    from keras.src.utils.naming import reset_uids

    reset_uids()


def record_values(oracle: Any, trial: Any) -> None:
    """Gives an oracle the values of a trial, to which a build has added. Replaced by `oracle.update_space` doing so."""
    oracle._record_values(trial)


def is_duplicate(oracle: Any, values: Mapping[str, Any]) -> bool:
    """Whether an oracle has proposed these values. Replaced by a public set of what was proposed."""
    return bool(oracle._duplicate(values))


def save_example(model: Any, example: Any, folder: Path) -> None:
    """Writes an input example beside a logged model, and notes it there. Replaced by `mlflow.models.Model` taking one
    where it is saved.
    """
    from mlflow.models.utils import _save_example

    _save_example(model, example, str(folder))


def conda_environment(requirements: Sequence[str]) -> Any:
    """What MLflow writes to `conda.yaml`. Replaced by `mlflow.models` writing a model's environment files."""
    from mlflow.utils.environment import _mlflow_conda_env

    return _mlflow_conda_env(additional_pip_deps=list(requirements))


def write_python_environment(file: Path) -> None:
    """Writes MLflow's `python_env.yaml`. Replaced as `conda_environment`."""
    from mlflow.utils.environment import _PythonEnv

    _PythonEnv.current().to_yaml(str(file))


def load_keras_model(path: str) -> Any:
    """MLflow's own loader of Keras models for prediction. Replaced by `mlflow.pyfunc.load_model` of another flavor."""
    from mlflow.keras.load import _load_pyfunc

    return _load_pyfunc(path)
