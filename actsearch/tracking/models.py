"""Trained models in MLflow, so that it can load and serve them.

The process of the search has saved them; here they are only given what MLflow wants beside a file of Keras: signature,
example and requirements. `mlflow.keras.log_model` would import TensorFlow for that, which takes longer than all else.
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
from actsearch.tracking.store import example_file

EXECUTION = "actsearch.execution"
_PASSING = ("INTERNAL_ERROR", "TEMPORARILY_UNAVAILABLE", "REQUEST_LIMIT_EXCEEDED")
_REQUIREMENTS = ("actsearch", "keras", "tensorflow", "numpy")


def log_model(client: MlflowClient, experiment_id: str, run_id: str, file: Path, name: str, execution: int) -> str:
    """Logs a saved model as that of a run, in place of an earlier one; its id, by which `models:/ID` is loaded.

    Args:
        client: Connected to the store.
        experiment_id, run_id: Of the trial's run.
        file: The saved model, its example beside it.
        name: What people see.
        execution: Whose weights it has; the model of that execution is logged once.
    """
    for known in client.search_logged_models([experiment_id], f"source_run_id = '{run_id}'"):
        if str(known.status) == "READY" and known.tags.get(EXECUTION) == str(execution):
            return str(known.model_id)
        client.delete_logged_model(known.model_id)  # of weights that were bettered, or the store failed midway
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
    """A version of a registered model, which is made where it is not there; a model that has one gets no other."""
    try:
        client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    source = f"models:/{model_id}"
    if not any(known.source == source for known in client.search_model_versions(f"name = '{name}'")):
        client.create_model_version(name, source, run_id, await_creation_for=0, model_id=model_id)


def is_permanent(error: Exception) -> bool:
    """Whether trying again is of no use: the store answered no, or what it was given cannot be."""
    if isinstance(error, MlflowException):
        return error.error_code not in _PASSING
    return not isinstance(error, OSError)  # as those of a connection are


def _prepare(folder: Path, file: Path, model: Model) -> None:
    """A folder as `mlflow.keras.save_model` would write it, but for the loader, which knows our layers."""
    from mlflow import pyfunc  # warns of MLflow's own types when it is loaded

    (folder / "data").mkdir()
    shutil.copyfile(file, folder / "data" / "model.keras")
    (folder / "data" / "keras_module.txt").write_text("keras")
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
    """`x` and `y`: an array, or arrays by their names; what is not there is omitted."""
    found: dict[str, Any] = {}
    if file.is_file():
        with np.load(file, allow_pickle=False) as arrays:
            for key in arrays.files:
                which, _, name = key.partition(":")
                if name:
                    found.setdefault(which, {})[name] = arrays[key]
                else:
                    found[which] = arrays[key]
    return found
