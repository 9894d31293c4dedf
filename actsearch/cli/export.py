"""`actsearch export`: writes a trained model of a search to a file."""

import shutil
from pathlib import Path
from typing import Annotated

import typer

from actsearch.errors import SearchFailedError, UnknownNameError, UsageError


def export(
    directory: Annotated[Path, typer.Argument(help="Directory of a search.")],
    file: Annotated[Path, typer.Argument(help="The .keras file to write.")],
    trial: Annotated[str | None, typer.Option(help="Id of a trial.", show_default="the best")] = None,
) -> None:
    """Write the best trained model to a .keras file."""
    from actsearch.ledger import Ledger
    from actsearch.tracking.store import model_file

    search = Ledger(directory).read()
    if search.best is None:
        raise SearchFailedError(f"{directory}: no execution has completed yet, so no model was trained.")
    trials = {each.trial_id: each for each in search.trials}
    if trial is not None and trial not in trials:
        raise UnknownNameError("trial", trial, list(trials), str(directory))
    chosen = search.best if trial is None else trials[trial]
    saved = model_file(directory, chosen.trial_id)
    if not saved.is_file():
        raise UsageError(
            f"{directory}: the model of trial {chosen.trial_id} ({chosen.activation}) was not saved. Models are saved "
            "when a search with log_models best (the default) or all is completed."
        )
    if file.suffix != ".keras":
        raise UsageError(f"{file}: Keras loads models only from .keras files. Use a name that ends in .keras.")
    try:
        shutil.copyfile(saved, file)
    except OSError as error:
        raise UsageError(f"{file}: cannot be written: {error.strerror or error}.") from error
    print(f"{file}: {chosen.activation}, trial {chosen.trial_id}. To load it: import actsearch.layers, then "
          "keras.saving.load_model.")  # fmt: skip
