"""Where the trained models of a search lie in its directory: a file of Keras each, and an example beside it."""

from pathlib import Path
from urllib.parse import quote

FOLDER = "models"
MODEL_ID = "actsearch.model_id"  # the tag of a run whose model is logged


def model_file(directory: Path, trial_id: str) -> Path:
    """The file of a trial's model; whatever its id holds, it is one name in the folder."""
    return directory / FOLDER / f"{quote(trial_id, safe='')}.keras"


def example_file(model: Path) -> Path:
    """`x`, a row of the data, and `y`, what the model says of it; `x:NAME` and `y:NAME` where there are several."""
    return model.with_suffix(".npz")
