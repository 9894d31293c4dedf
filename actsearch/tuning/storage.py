"""Files in the directory of a search: weights and models."""

import os
import re
import shutil
import time
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import keras
import keras_tuner
import numpy as np

from actsearch._locks import PATIENCE_SECONDS, locked, writing_lock
from actsearch.errors import LedgerError, TrackingError, UsageError
from actsearch.ledger import FILE_NAME, delete_files
from actsearch.ledger.ledger import ledger_error
from actsearch.ledger.samples import FOLDER as SAMPLES_FOLDER
from actsearch.records import SearchRecord
from actsearch.tracking.store import CONFIRMATION_NAME, MODELS_FOLDER, example_file, model_file
from actsearch.tracking.sync_process import LOG_NAME

ROOT = "actsearch-runs"
ORACLE_FOLDER = "oracle"
_MAX_NAME = 40


def prepare_directory(
    directory: str | Path | None, name: str, *, project_name: str | None = None, overwrite: bool = False
) -> Path:
    """Prepares the directory of a new search or of a search to resume.

    Args:
        directory: Path of the directory; None for `actsearch-runs/TIME-NAME`.
        project_name: Folder in `directory`, or in `actsearch-runs` if that is None.
        name: Name of the search; characters that a file name should not contain become a dash.
        overwrite: Whether to delete an existing search there; other files are kept.

    Returns:
        The directory, which exists.

    Raises:
        UsageError: Another process is searching there, or is still writing the search to delete to MLflow; or the
            directory cannot be written.
    """
    if overwrite and directory is None and project_name is None:
        raise UsageError("overwrite would be ignored: each search gets a new directory. Give a directory too.")
    if project_name is not None:
        directory = Path(ROOT if directory is None else directory) / project_name
    path = _unused(name) if directory is None else Path(directory)
    try:
        if overwrite and (path / FILE_NAME).exists():
            with locked(path), writing_lock(path, _patience(PATIENCE_SECONDS)):
                _delete_search(path)
        path.mkdir(parents=True, exist_ok=True)
    except TrackingError as error:
        raise UsageError(f"{path}: {error}. Wait until it ends, or use another --directory.") from error
    except OSError as error:
        raise UsageError(f"{path}: cannot be used: {error.strerror}. Use another --directory.") from error
    if not os.access(path, os.W_OK | os.X_OK):
        raise UsageError(f"{path}: cannot be written by this user. Use another --directory, or make it writable.")
    return path


def _patience(seconds: float) -> Callable[[], bool]:
    """Makes a function that waits a moment and returns whether there is time for another attempt."""
    end = time.monotonic() + seconds

    def wait() -> bool:
        time.sleep(0.1)
        return time.monotonic() < end

    return wait


def _delete_search(path: Path) -> None:
    """Deletes the files of a search, the ledger last: until then the directory still counts as a search."""
    for name in (LOG_NAME, CONFIRMATION_NAME):
        (path / name).unlink(missing_ok=True)
    for name in (WEIGHTS_FOLDER, MODELS_FOLDER, ORACLE_FOLDER, SAMPLES_FOLDER):
        if (path / name).exists():
            shutil.rmtree(path / name)
    delete_files(path / FILE_NAME)


def _unused(name: str) -> Path:
    plain = re.sub(r"[^\w.-]+", "-", name)[:_MAX_NAME]
    path = Path(ROOT) / f"{time.strftime('%Y%m%d-%H%M%S')}-{plain}"
    candidates = [path, *(path.with_name(f"{path.name}-{number}") for number in range(2, 1000))]
    return next(candidate for candidate in candidates if not candidate.exists())


WEIGHTS_FOLDER = "weights"


def save_weights(directory: Path, trial_id: str, weights: Sequence[np.ndarray]) -> None:
    """Writes the weights of a trial; an existing file is replaced atomically.

    Raises:
        LedgerError: They cannot be written; an existing file is intact.
    """
    path = _path(directory, trial_id)
    unfinished = path.with_suffix(".unfinished")
    try:
        path.parent.mkdir(exist_ok=True)
        with unfinished.open("wb") as file:
            _write_arrays(file, {f"arr_{number}": storable(array) for number, array in enumerate(weights)})
            file.flush()
            os.fsync(file.fileno())  # otherwise a power loss after the renaming could leave an empty file
        unfinished.replace(path)
    except OSError as error:
        unfinished.unlink(missing_ok=True)
        raise ledger_error(path, error) from error


def _write_arrays(file: Any, arrays: Mapping[str, np.ndarray]) -> None:
    """Writes arrays as an .npz file, and never as pickles.

    `numpy.savez` pickles arrays of objects; NumPy 1 stores an `allow_pickle=False` as one more array.
    """
    if named := [name for name, array in arrays.items() if array.dtype.hasobject]:
        raise ValueError(f"arrays of objects are not stored: {', '.join(named)}")
    np.savez(file, **arrays)  # type: ignore[arg-type]  # no array has the name of its keyword


def load_weights(directory: Path, trial_id: str) -> list[np.ndarray]:
    """Loads the weights of a trial.

    Raises:
        LedgerError: No weights were kept, or the file is damaged.
    """
    path = _path(directory, trial_id)
    if not path.is_file():
        raise LedgerError(f"{path}: no weights were kept for trial {trial_id}: none of its executions completed.")
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            return [file[f"arr_{number}"] for number in range(len(file.files))]
    except (OSError, ValueError, KeyError, EOFError, NotImplementedError, zipfile.BadZipFile, zlib.error) as error:
        raise LedgerError(
            f"{path}: the weights of trial {trial_id} are damaged ({error}). Retrain the trial: its hyperparameters "
            "and the seed of each execution are in the ledger."
        ) from error


def _path(directory: Path, trial_id: str) -> Path:
    """Returns the file of a trial's weights; the trial's id is quoted, so it is always a single file name."""
    return directory / WEIGHTS_FOLDER / f"{quote(trial_id, safe='')}.npz"


def storable(array: np.ndarray) -> np.ndarray:
    """Converts bfloat16, which NumPy's format does not support, to float32, which holds its values exactly."""
    return array.astype("float32") if array.dtype.name == "bfloat16" else array


def save_models(
    search: SearchRecord,
    directory: Path,
    which: str,
    *,
    load: Callable[[str, keras_tuner.HyperParameters], keras.Model],
    sample: Any,
    message: Callable[[str], None],
) -> None:
    """Saves the models of completed trials; a model that Keras cannot save is reported and skipped.

    Args:
        search: Record of the search.
        directory: Directory of the search.
        which: `best`, `all` or `none`.
        load: Returns the trained model of a trial, from its id and hyperparameters.
        sample: A row of x.
        message: Called with a message for each model that cannot be saved.
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
                f"{error}. Its weights are kept, and best_model() rebuilds it."
            )
    _forget_others(directory, [trial.trial_id for trial in wanted])


def _forget_others(directory: Path, trial_ids: list[str]) -> None:
    """Deletes models that an earlier run of the search saved and that are no longer wanted."""
    kept = {model_file(directory, trial_id) for trial_id in trial_ids}
    for file in model_file(directory, "any").parent.glob("*.keras"):
        if file not in kept:
            file.unlink()
            example_file(file).unlink(missing_ok=True)


def save_model(directory: Path, trial_id: str, model: keras.Model, sample: Any) -> None:
    """Writes a model, and an example of its data if NumPy can store one; existing files are replaced."""
    file = model_file(directory, trial_id)
    file.parent.mkdir(exist_ok=True)
    unfinished = file.with_suffix(".unfinished.keras")
    model.save(unfinished)
    unfinished.replace(file)
    example_file(file).unlink(missing_ok=True)
    row = keras.tree.map_structure(lambda values: values[:1], sample)
    try:
        example = _named("x", row, getattr(model, "inputs", None)) | _named("y", model(row, training=False))
    except (TypeError, ValueError, NotImplementedError):
        return  # nested, ragged, or nothing to call: MLflow gets the model without a signature
    if not any(array.dtype.hasobject for array in example.values()):
        _write_arrays(example_file(file), example)


def _named(which: str, values: Any, tensors: Any = None) -> dict[str, np.ndarray]:
    """Names arrays: `x` for one array, `x:NAME` for several as a model's `predict` takes them; empty without names."""
    if isinstance(values, list | tuple):
        values = {tensor.name: value for tensor, value in zip(tensors or (), values, strict=False)}
    if not isinstance(values, dict):
        return {which: storable(np.asarray(values))}
    if any(isinstance(value, dict | list | tuple) for value in values.values()):
        return {}
    return {f"{which}:{name}": storable(np.asarray(value)) for name, value in values.items()}
