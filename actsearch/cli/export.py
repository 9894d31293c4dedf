"""`actsearch export`: a trained model of a search as a file of its own."""

import shutil
from pathlib import Path

from actsearch.errors import SearchFailedError, UnknownNameError, UsageError


def run(directory: Path, file: Path, trial_id: str | None) -> None:
    """Copies the model of the best trial, or of another."""
    from actsearch._model_files import model_file
    from actsearch.ledger import Ledger

    search = Ledger(directory).read()
    if search.best is None:
        raise SearchFailedError(f"{directory}: no execution has completed, so there is no model yet.")
    trials = {trial.trial_id: trial for trial in search.trials}
    if trial_id is not None and trial_id not in trials:
        raise UnknownNameError("trial", trial_id, list(trials), str(directory))
    trial = search.best if trial_id is None else trials[trial_id]
    saved = model_file(directory, trial.trial_id)
    if not saved.is_file():
        raise UsageError(
            f"{directory}: the model of trial {trial.trial_id} ({trial.activation}) was not saved. Models are saved "
            "when a search with log_models best (the default) or all is completed."
        )
    if file.suffix != ".keras":
        raise UsageError(f"{file}: Keras loads models from .keras files; give a name that ends so.")
    try:
        shutil.copyfile(saved, file)
    except OSError as error:
        raise UsageError(f"{file}: cannot be written: {error.strerror or error}.") from error
    print(f"{file}: {trial.activation}, trial {trial.trial_id}. To load it: import actsearch.layers, then "
          "keras.saving.load_model.")  # fmt: skip
