"""Where a search's directory holds its trained models: for each, a Keras file and an example of its data."""

from pathlib import Path
from urllib.parse import quote

FOLDER = "models"
MODEL_ID = "actsearch.model_id"  # the tag of a run whose model is logged


def model_file(directory: Path, trial_id: str) -> Path:
    """Returns the file of a trial's model; the trial's id is quoted, so it is always a single file name."""
    return directory / FOLDER / f"{quote(trial_id, safe='')}.keras"


def example_file(model: Path) -> Path:
    """Returns the file with a row of the data, `x`, and the model's prediction for it, `y`.

    A model with several inputs or outputs has `x:NAME` and `y:NAME` instead.
    """
    return model.with_suffix(".npz")
