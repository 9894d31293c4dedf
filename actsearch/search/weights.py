"""The weights of each trial's best execution, kept beside the ledger as plain arrays."""

import os
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

import numpy as np

from actsearch.errors import LedgerError
from actsearch.ledger.problems import explained

FOLDER = "weights"


def save_weights(directory: Path, trial_id: str, weights: Sequence[np.ndarray]) -> None:
    """Writes the weights of a trial; what was there is replaced as a whole or not at all.

    Raises:
        LedgerError: They cannot be written; what was there is whole.
    """
    path = _path(directory, trial_id)
    unfinished = path.with_suffix(".unfinished")
    try:
        path.parent.mkdir(exist_ok=True)
        with unfinished.open("wb") as file:
            np.savez(file, *[storable(array) for array in weights], allow_pickle=False)
            file.flush()
            os.fsync(file.fileno())  # else a power loss after the renaming could leave the name with nothing in it
        unfinished.replace(path)
    except OSError as error:
        unfinished.unlink(missing_ok=True)
        raise explained(path, error) from error


def load_weights(directory: Path, trial_id: str) -> list[np.ndarray]:
    """The weights that were kept for a trial.

    Raises:
        LedgerError: There are none, or the file is damaged.
    """
    path = _path(directory, trial_id)
    if not path.is_file():
        raise LedgerError(f"{path}: no weights were kept for trial {trial_id}: none of its executions completed.")
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            return [file[f"arr_{number}"] for number in range(len(file.files))]
    except (OSError, ValueError, KeyError, EOFError, NotImplementedError, zipfile.BadZipFile, zlib.error) as error:
        raise LedgerError(
            f"{path}: the weights of trial {trial_id} are damaged ({error}). Train the trial anew: its hyperparameters "
            "and the seed of each execution are in the ledger."
        ) from error


def _path(directory: Path, trial_id: str) -> Path:
    """A trial's file; whatever its id holds, it is one name in the folder."""
    return directory / FOLDER / f"{quote(trial_id, safe='')}.npz"


def storable(array: np.ndarray) -> np.ndarray:
    """bfloat16 is no type that NumPy's format knows; float32 holds each of its values exactly."""
    return array.astype("float32") if array.dtype.name == "bfloat16" else array
