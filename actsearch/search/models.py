"""The trained models of a search as files: `models/TRIAL.keras`, each with a sample and what the model says of it."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import keras_tuner
import numpy as np

from actsearch.errors import UsageError
from actsearch.records import SearchRecord
from actsearch.search.weights import storable
from actsearch.tracking.files import example_file, model_file

WHICH = ("best", "all", "none")


def check_which(log_models: str, register: str | None) -> str:
    """Raises a UsageError for anything but `best`, `all` and `none`, and for a name for no model."""
    if log_models not in WHICH:
        raise UsageError(f"log_models must be one of {', '.join(WHICH)}, not {log_models!r}.")
    if register is not None and not re.fullmatch(r"[^/:'\"\\]*[^/:'\"\\.\s][^/:'\"\\]*", register):
        raise UsageError(
            f"{register!r} cannot name a registered model in MLflow: leave out slashes, colons and quotes."
        )
    if register is not None and log_models == "none":
        raise UsageError(f"No model is logged that could be registered as {register!r}: leave log_models=none out.")
    return log_models


def save_models(
    search: SearchRecord,
    directory: Path,
    which: str,
    *,
    load: Callable[[str, keras_tuner.HyperParameters], keras.Model],
    sample: Any,
    message: Callable[[str], None],
) -> None:
    """Saves the models of trials that completed; one that Keras cannot save is told, and the search stands.

    Args:
        search: Its records.
        directory: The search's.
        which: `best`, `all` or `none`.
        load: The trained model of a trial, from its id and hyperparameters.
        sample: A row of x.
        message: Hears of what cannot be saved.
    """
    wanted = {"best": search.ranked[:1], "all": search.ranked, "none": []}[which]
    wanted = [trial for trial in wanted if trial.mean_score is not None]
    for trial in wanted:
        hp = keras_tuner.HyperParameters()
        hp.values = dict(trial.hyperparameters)
        try:
            save_model(directory, trial.trial_id, load(trial.trial_id, hp), sample)
        except Exception as error:  # noqa: BLE001  the model's own code writes its configuration
            message(
                f"The model of trial {trial.trial_id} ({trial.activation}) cannot be saved: {type(error).__name__}: "
                f"{error}. Its weights are kept, and best_model() builds it anew."
            )
    _forget_others(directory, [trial.trial_id for trial in wanted])


def _forget_others(directory: Path, trial_ids: list[str]) -> None:
    """Deletes what an earlier part of the search saved and is not the best any more."""
    kept = {model_file(directory, trial_id) for trial_id in trial_ids}
    for file in model_file(directory, "any").parent.glob("*.keras"):
        if file not in kept:
            file.unlink()
            example_file(file).unlink(missing_ok=True)


def save_model(directory: Path, trial_id: str, model: keras.Model, sample: Any) -> None:
    """Writes a model, and its example where NumPy can hold one; what was there is replaced."""
    file = model_file(directory, trial_id)
    file.parent.mkdir(exist_ok=True)
    unfinished = file.with_suffix(".unfinished.keras")
    model.save(unfinished)
    unfinished.replace(file)
    example_file(file).unlink(missing_ok=True)
    row = keras.tree.map_structure(lambda values: values[:1], sample)
    try:
        example = _named("x", row, getattr(model, "inputs", None)) | _named("y", model(row, training=False))
    except (TypeError, ValueError):
        return  # nested or ragged: MLflow gets the model without a signature
    if not any(array.dtype.hasobject for array in example.values()):
        np.savez(example_file(file), allow_pickle=False, **example)


def _named(which: str, values: Any, tensors: Any = None) -> dict[str, np.ndarray]:
    """`x` for one array; `x:NAME` for several, as a model's `predict` takes them; nothing without names."""
    if isinstance(values, list | tuple):
        values = {tensor.name: value for tensor, value in zip(tensors or (), values, strict=False)}
    if not isinstance(values, dict):
        return {which: storable(np.asarray(values))}
    if any(isinstance(value, dict | list | tuple) for value in values.values()):
        return {}
    return {f"{which}:{name}": storable(np.asarray(value)) for name, value in values.items()}
