"""Private names of Keras, KerasTuner and MLflow that actsearch uses: no other module touches any.

Each is used because no public name does the same; its docstring says what would replace it. All were checked with
Keras 3.15.1, KerasTuner 1.4.8 and MLflow 3.17.2; `tests/test_private.py` reports which a new version has removed.
Everything is imported inside the functions, so importing this module loads nothing.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from actsearch.errors import shorten

# Modules in which Keras defines its operations and functions, to distinguish them from a user's of the same name.
# Replaced by a public test of whether an object belongs to Keras.
OPERATION_MODULES = ("keras.src.ops.nn", "keras.src.ops.numpy", "keras.src.activations.activations")

# Prefix of the tags in which MLflow stores how a page is arranged. Replaced by a method of its client that sets them.
VIEW_TAG = "mlflow.sharedViewState."

# Methods of KerasTuner's Tuner that ours override, since it has no hooks for building with a seed, for running a single
# execution, and for skipping the build that finds the space. Replaced by hooks around an execution.
OVERRIDDEN = ("_build_and_fit_model", "_build_hypermodel", "_populate_initial_space")


@cache
def functional_class() -> Any:
    """Returns the class of functional models, whose order of layers is known. Replaced by a public
    `keras.Functional`.
    """
    from keras.src.models.functional import Functional

    return Functional


def class_in_config(module: str, name: str, registered_name: str) -> Any:
    """Returns the class that a config of Keras names, by Keras's rules. Replaced by a public function for it.

    Raises:
        TypeError: It is neither registered, nor in a scope of custom objects, nor of a package that Keras trusts.
    """
    from keras.src.saving.serialization_lib import _retrieve_class_or_fn

    config = {"module": module, "class_name": name, "registered_name": registered_name}
    return _retrieve_class_or_fn(name, registered_name, module, "class", config, custom_objects={})


def functional_inside(model: Any) -> Any:
    """Returns the functional model inside a built Sequential, None for other models. Replaced by `Sequential` being
    a functional model.
    """
    return getattr(model, "_functional", None)


def nodes_of(graph: Any) -> Iterator[Any]:
    """Yields the nodes of a functional model in topological order. Replaced by a public order of its nodes."""
    for depth in sorted(graph._nodes_by_depth, reverse=True):
        yield from graph._nodes_by_depth[depth]


def run_through_graph(graph: Any, inputs: Any, operation_fn: Callable[[Any], Any], call_fn: Callable[..., Any]) -> Any:
    """Runs other operations in the order of a functional model. Replaced by `keras.models.clone_model`, once its
    `call_function` can add operations after a layer of a nested model.
    """
    return graph._run_through_graph(inputs, operation_fn=operation_fn, call_fn=call_fn)


def operation_of(tensor: Any) -> Any:
    """Returns the operation that made a symbolic tensor. Replaced by a public `KerasTensor.operation`."""
    return tensor._keras_history.operation


def mask_of(tensor: Any) -> Any:
    """Returns the mask of a tensor, or None. Replaced by `keras.src.backend.get_keras_mask`, once it is exported."""
    return getattr(tensor, "_keras_mask", None)


def layers_in(layer: Any, *, include_self: bool = True) -> list[Any]:
    """Lists a layer or model and all layers in it, however deep: `model.layers` misses those in wrappers and cells.

    Replaced by a public method that flattens a model.
    """
    return list(layer._flatten_layers(include_self=include_self))


def direct_layers(operation: Any) -> Sequence[Any]:
    """Returns the layers that are attributes of a layer. Replaced by a public `Layer.layers`."""
    return getattr(operation, "_layers", ())


@contextmanager
def changing_attributes(layer: Any) -> Iterator[None]:
    """Lets a built layer get other layers as attributes, in the block. Replaced by Keras tracking them at any time."""
    locked = layer._tracker.locked
    layer._tracker.unlock()
    try:
        yield
    finally:
        if locked:
            layer._tracker.lock()


def discard_own_weights(layer: Any) -> None:
    """Removes the variables of a layer, but not those of the layers in it. Replaced by a method that does so."""
    with changing_attributes(layer):
        layer._trainable_variables.clear()
        layer._non_trainable_variables.clear()


def discard_losses(layer: Any) -> None:
    """Removes the losses that a call added to a layer and to those in it. Replaced by a method that does so."""
    layer._clear_losses()


def own_trainable_variables(layer: Any) -> list[Any]:
    """Lists the variables that a layer made trainable, even if single ones were frozen later; without those of the
    layers in it. Replaced by a public name for them.
    """
    return list(layer._trainable_variables)


def own_variables(layer: Any) -> list[Any]:
    """Lists the weights of a layer, trainable or not, without those of the layers in it and without seeds.

    Replaced by a public name for them.
    """
    return [*layer._trainable_variables, *layer._non_trainable_variables]


def constructor_arguments(operation: Any) -> dict[str, Any]:
    """Returns the arguments that a layer or operation was made with, if all are numbers, texts and so on; else none.

    Replaced by a public name for them.
    """
    config = getattr(operation, "_auto_config", None)
    return {} if config is None else dict(config.config)


def document_weights_of(layer: Any) -> Any:
    """Returns the inverse document frequencies of a text or lookup layer as an array; None if it has none.

    Replaced by a public method beside `get_vocabulary`.
    """
    weights = getattr(getattr(layer, "_lookup_layer", layer), "idf_weights", None)
    return None if weights is None else weights.numpy()


def compile_arguments(model: Any) -> dict[str, Any]:
    """Returns the objects that a model was compiled with. Replaced by a public name for them: `get_compile_config`
    has configs, which lose objects that are not registered.
    """
    return dict(model._compile_config.config)


def optimizer_config(optimizer: Any) -> dict[str, Any]:
    """Returns the config of an optimizer, in which a schedule or function stays an object. Replaced by a config that
    does not fail for schedules without one.
    """
    rate = optimizer._learning_rate
    if not callable(rate) or hasattr(rate, "assign"):
        return dict(optimizer.get_config())
    stand_in = object.__new__(type(optimizer))
    vars(stand_in).update({**vars(optimizer), "_learning_rate": None})
    return {**stand_in.get_config(), "learning_rate": rate}


def function_of_metric(metric: Any) -> tuple[Any, dict[str, Any]]:
    """Returns the function of a `MeanMetricWrapper` and its arguments. Replaced by public attributes."""
    return metric._fn, dict(metric._fn_kwargs)


def compute_loss(model: Any, x: Any, y: Any, outputs: Any, weight: Any) -> Any:
    """Computes the loss of a training step, whether or not the model's own `compute_loss` takes `training`.

    Replaced by `model.compute_loss`, once all models accept that argument.
    """
    return model._compute_loss(x, y, outputs, weight, training=True)


def is_decayed(optimizer: Any, variable: Any) -> bool:
    """Returns whether an optimizer decays a variable. Replaced by a public list of the excluded variables."""
    return bool(optimizer._use_weight_decay(variable))


def output_shape_of(layer: Any) -> Any:
    """Returns the `output_shape` of a Lambda layer. Replaced by its config, once it survives loading."""
    return layer._output_shape


def keras_message(error: Exception) -> str:
    """Returns the message of a Keras error in one line, without the configs and examples that Keras appends.

    Replaced by errors that keep them separate from their message.
    """
    innermost = str(error).rpartition("Exception encountered: ")[2].strip()
    message = innermost.partition("\n\n")[0].partition(" Full object config")[0]
    return shorten(message) or type(error).__name__


def tensorflow_message(error: Exception) -> str:
    """Returns the message of a TensorFlow error in one line, without the nodes and stacks that TensorFlow adds; of an
    error in Python code inside a graph, with its place.

    Replaced by errors that keep them separate from their message.
    """
    text, _, stack = str(getattr(error, "message", error)).partition("Traceback (most recent call last)")
    lines = [re.sub(r"\{\{[^}]*\}\} ?|\[\[.*?\]\]|\[Op:.*", "", line).strip() for line in text.splitlines()]
    framing = ("Graph execution error", "Detected at node", "<stack traces")
    told = " ".join(line for line in lines if line and not line.startswith(framing))
    places = re.findall(r'File "(.+)", line (\d+), in (\w+)', stack)
    return (told or str(error)) + (" ({}:{} in {})".format(*places[-1]) if places else "")


def reset_layer_names() -> None:
    """Restarts the numbering of layer names. Replaced by a `keras.utils.clear_session` that does only this: today it
    also discards traces and seeds.
    """
    from keras.src.utils.naming import reset_uids

    reset_uids()


def record_values(oracle: Any, trial: Any) -> None:
    """Passes an oracle the values of a trial after a build added some. Replaced by `oracle.update_space` doing so."""
    oracle._record_values(trial)


def is_duplicate(oracle: Any, values: Mapping[str, Any]) -> bool:
    """Returns whether an oracle has proposed these values before. Replaced by a public set of the proposed values."""
    return bool(oracle._duplicate(values))


def use_oracle(tuner: Any, oracle: Any) -> None:
    """Gives a tuner another oracle, with the folder of the tuner. Replaced by a setter of `tuner.oracle`."""
    oracle._set_project_dir(tuner.directory, tuner.project_name)
    tuner.oracle = oracle


def save_example(model: Any, example: Any, folder: Path) -> None:
    """Writes an input example next to a logged model and records it in the model. Replaced by saving a
    `mlflow.models.Model` with an example.
    """
    from mlflow.models.utils import _save_example

    _save_example(model, example, str(folder))


def conda_environment(requirements: Sequence[str]) -> Any:
    """Makes the content of `conda.yaml`. Replaced by `mlflow.models` writing a model's environment files."""
    from mlflow.utils.environment import _mlflow_conda_env

    return _mlflow_conda_env(additional_pip_deps=list(requirements))


def write_python_environment(file: Path) -> None:
    """Writes MLflow's `python_env.yaml`. Replaced by what replaces `conda_environment`."""
    from mlflow.utils.environment import _PythonEnv

    _PythonEnv.current().to_yaml(str(file))


def page_token_at(offset: int) -> str | None:
    """Returns the token of a page of MLflow that begins at an offset. Replaced by a method that counts runs."""
    from mlflow.utils.search_utils import SearchUtils

    return SearchUtils.create_page_token(offset).decode() if offset else None


def is_stateful(operation: str) -> bool:
    """Returns whether TensorFlow's operation of this name has a state; True if it is unknown. Replaced by a public
    register of operations.
    """
    from tensorflow.python.framework import op_def_registry

    definition = op_def_registry.get(operation)
    return definition is None or definition.is_stateful


def metrics_given_to(model: Any) -> list[Any]:
    """Returns the metrics that a model was compiled with, as given: names, functions or objects; each with its output.

    Replaced by `model.get_compile_config`, once it keeps the objects.
    """
    import keras

    compiled = getattr(model, "_compile_metrics", None)
    if compiled is None:
        return []
    given = (compiled._user_metrics, compiled._user_weighted_metrics)
    return [metric for metric in keras.tree.flatten(given) if metric is not None]


def metric_by_name(model: Any, name: str, y: Any, outputs: Any) -> tuple[Any, Any, Any, bool] | None:
    """Returns the metric that a model logs under a name, its targets, its outputs, and whether it gets sample weights.

    None if there is none. Replaced by a public way from the name of a log to its metric.
    """
    compiled = getattr(model, "_compile_metrics", None)
    if compiled is None or not compiled.built:
        return None
    targets, predictions = compiled._flatten_y(y), compiled._flatten_y(outputs)
    for metrics, is_weighted in ((compiled._flat_metrics, False), (compiled._flat_weighted_metrics, True)):
        for of_output, y_true, y_pred in zip(metrics, targets, predictions, strict=False):
            for metric in of_output.metrics if of_output else ():
                if name == (f"{of_output.output_name}_{metric.name}" if of_output.output_name else metric.name):
                    return metric, y_true, y_pred, is_weighted
    return None


def flops_of_node(graph: Any, node: Any) -> int | None:
    """Returns the floating-point operations of a node by the register of TensorFlow's profiler; 0 if that does not know
    the operation, None if a shape is unknown. Replaced by `tf.compat.v1.profiler.profile`, once it does not print.
    """
    from tensorflow.python.framework import ops
    from tensorflow.python.profiler.internal import flops_registry  # noqa: F401  fills the register
    from tensorflow.python.util import deprecation

    try:
        with deprecation.silence():
            return int(ops.get_stats_for_node_def(graph, node, "flops").value or 0)
    except ValueError:
        return None


def inputs_of_dataset(dataset: Any) -> Sequence[Any]:
    """Returns the data sets that a `tf.data.Dataset` reads from. Replaced by a public `Dataset.inputs`."""
    return list(dataset._inputs())


def tensors_of_dataset(dataset: Any) -> Sequence[Any]:
    """Returns the tensors that a `tf.data.Dataset` holds itself, as `from_tensor_slices` makes it. Replaced by the size
    of what a data set holds.
    """
    return list(getattr(dataset, "_tensors", ()))


def class_weight_function(class_weight: Mapping[int, float]) -> Callable[..., Any]:
    """Returns the function with which Keras adds class weights to a batch `(x, y)` of a data set, in a graph.

    Replaced by a public function for it.
    """
    from keras.src.trainers.data_adapters.tf_dataset_adapter import make_class_weight_map_fn

    function: Callable[..., Any] = make_class_weight_map_fn(class_weight)
    return function


@contextmanager
def known_functions(definitions: Sequence[Any]) -> Iterator[None]:
    """Lets TensorFlow call functions by their definitions, in the block. Replaced by `import_graph_def` doing so in a
    `tf.function`.
    """
    from tensorflow.python.eager import context

    runtime = context.context()
    added: list[str] = []
    try:
        for definition in definitions:
            runtime.add_function_def(definition)
            added.append(definition.signature.name)
        yield
    finally:
        for name in added:
            runtime.remove_function(name)


def eagerly() -> Any:
    """Runs operations immediately in the block, even where a graph is built. Replaced by `tf.init_scope` doing so."""
    from tensorflow.python.eager import context

    return context.eager_mode()


def profiles_batches(callback: Any) -> bool:
    """Returns whether a TensorBoard callback profiles batches. Replaced by a public attribute `profile_batch`."""
    return bool(callback._should_trace)


def take_initial_epoch(model: Any) -> int:
    """Returns the epoch in which `BackupAndRestore` wants a model to begin, and forgets it. Replaced by `fit` telling
    callbacks' wishes apart from its argument.
    """
    epoch = getattr(model, "_initial_epoch", None) or 0
    model._initial_epoch = None
    return int(epoch)
