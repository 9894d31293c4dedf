"""The weights of each trial's best execution, kept beside the ledger as plain arrays."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from actsearch.errors import LedgerError

FOLDER = "weights"


def save_weights(directory: Path, trial_id: str, weights: Sequence[np.ndarray]) -> None:
    """Writes the weights of a trial; what was there is replaced as a whole or not at all."""
    folder = directory / FOLDER
    folder.mkdir(exist_ok=True)
    path = folder / f"{trial_id}.npz"
    unfinished = path.with_suffix(".unfinished")
    with unfinished.open("wb") as file:
        np.savez(file, *[_storable(array) for array in weights])
    unfinished.replace(path)


def load_weights(directory: Path, trial_id: str) -> list[np.ndarray]:
    """The weights that were kept for a trial.

    Raises:
        LedgerError: There are none.
    """
    path = directory / FOLDER / f"{trial_id}.npz"
    if not path.is_file():
        raise LedgerError(f"{path}: no weights were kept for trial {trial_id}: none of its executions completed.")
    with np.load(path, allow_pickle=False) as file:
        return [file[f"arr_{number}"] for number in range(len(file.files))]


def _storable(array: np.ndarray) -> np.ndarray:
    """bfloat16 is no type that NumPy's format knows; float32 holds each of its values exactly."""
    return array.astype("float32") if array.dtype.name == "bfloat16" else array
