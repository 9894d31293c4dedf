"""Logs trained models to MLflow, so that it can load and serve them.

The search's process has saved them; this module adds what MLflow needs in addition to a Keras file: signature, example
and requirements. `mlflow.keras.log_model` would import TensorFlow for that, which takes longer than everything else.
"""

import shutil
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from mlflow import MlflowClient
from mlflow.entities import LoggedModelOutput
from mlflow.exceptions import MlflowException
from mlflow.models import Model, infer_signature

from actsearch._private import conda_environment, save_example, write_python_environment
from actsearch.tracking.serving import FILE
from actsearch.tracking.store import example_file

EXECUTION = "actsearch.execution"
_PASSING = ("INTERNAL_ERROR", "TEMPORARILY_UNAVAILABLE", "REQUEST_LIMIT_EXCEEDED")
_REQUIREMENTS = ("actsearch", "keras", "tensorflow", "numpy")


def log_model(client: MlflowClient, experiment_id: str, run_id: str, file: Path, name: str, execution: int) -> str:
    """Logs a saved model as the model of a run, and deletes an earlier one.

    Args:
        client: Client of the store.
        experiment_id, run_id: Ids of the experiment and of the trial's run.
        file: The saved model, with its example next to it.
        name: Displayed name.
        execution: Number of the execution whose weights it has; the model of an execution is logged only once.

    Returns:
        The id of the logged model, which `models:/ID` loads.
    """
    for earlier in client.search_logged_models([experiment_id], f"source_run_id = '{run_id}'"):
        if str(earlier.status) == "READY" and earlier.tags.get(EXECUTION) == str(execution):
            return str(earlier.model_id)
        client.delete_logged_model(earlier.model_id)  # its weights were surpassed, or the store failed midway
    logged = client.create_logged_model(
        experiment_id, name=name, source_run_id=run_id, tags={EXECUTION: str(execution)}
    )
    with tempfile.TemporaryDirectory() as folder:
        _prepare(Path(folder), file, Model(run_id=run_id, model_uuid=logged.model_id, model_id=logged.model_id))
        client.log_model_artifacts(logged.model_id, folder)
    client.finalize_logged_model(logged.model_id, "READY")
    client.log_outputs(run_id, [LoggedModelOutput(logged.model_id, step=0)])
    return str(logged.model_id)


def register_model(client: MlflowClient, name: str, model_id: str, run_id: str) -> None:
    """Registers a model as a new version of a registered model, which is created if missing; does so only once."""
    try:
        client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    source = f"models:/{model_id}"
    if not any(version.source == source for version in client.search_model_versions(f"name = '{name}'")):
        client.create_model_version(name, source, run_id, await_creation_for=0, model_id=model_id)


def is_permanent(error: Exception) -> bool:
    """Returns whether a retry would be useless: the store refused the model, or the model is not valid."""
    if isinstance(error, MlflowException):
        return error.error_code not in _PASSING
    return not isinstance(error, OSError)  # connection errors are OSErrors


def _prepare(folder: Path, file: Path, model: Model) -> None:
    """Writes the folder that `mlflow.keras.save_model` would write, with a loader that registers our layers."""
    from mlflow import pyfunc  # importing it warns of MLflow's own types

    (folder / FILE).parent.mkdir()
    shutil.copyfile(file, folder / FILE)
    (folder / FILE).with_name("keras_module.txt").write_text("keras")
    example = _example(example_file(file))
    if "x" in example:
        model.signature = infer_signature(example["x"], example.get("y"))
        save_example(model, example["x"], folder)
    requirements = [f"{package}=={version(package)}" for package in _REQUIREMENTS]
    model.add_flavor(
        "keras", data="data", keras_version=version("keras"), keras_backend="tensorflow", save_exported_model=False
    )
    pyfunc.add_to_model(
        model, loader_module="actsearch.tracking.serving", conda_env="conda.yaml", python_env="python_env.yaml"
    )
    model.save(str(folder / "MLmodel"))
    (folder / "requirements.txt").write_text("\n".join([f"mlflow=={version('mlflow')}", *requirements]) + "\n")
    (folder / "conda.yaml").write_text(yaml.safe_dump(conda_environment(requirements)))
    write_python_environment(folder / "python_env.yaml")


def _example(file: Path) -> dict[str, Any]:
    """Reads `x` and `y`, each an array or arrays by name; omits what the file lacks."""
    example: dict[str, Any] = {}
    if file.is_file():
        with np.load(file, allow_pickle=False) as arrays:
            for key in arrays.files:
                which, _, name = key.partition(":")
                if name:
                    example.setdefault(which, {})[name] = arrays[key]
                else:
                    example[which] = arrays[key]
    return example
