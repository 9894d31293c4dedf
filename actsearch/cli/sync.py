"""`actsearch sync`: uploads whatever MLflow is missing for a search from its ledger."""

from pathlib import Path
from typing import Annotated

import typer


def sync(
    directory: Annotated[Path, typer.Argument(help="Directory of a search.")],
    tracking_uri: Annotated[
        str | None, typer.Option(help="Address of the MLflow store to upload to.", show_default="the search's own")
    ] = None,
    experiment: Annotated[
        str | None, typer.Option(help="Name of the MLflow experiment to upload to.", show_default="the search's own")
    ] = None,
) -> None:
    """Upload whatever MLflow is missing for a search."""
    from actsearch._locks import is_locked
    from actsearch.ledger import Ledger
    from actsearch.tracking import sync_process
    from actsearch.tracking.store import recorded_address

    search = Ledger(directory).read()
    address = recorded_address(search.environment, tracking_uri, experiment)
    written = sync_process.sync(directory, address, running=is_locked(directory))
    executions = sum(len(trial.executions) for trial in search.trials)
    print(f"{search.name}: {len(search.trials)} trials and {executions} executions are in MLflow")
    print(f"MLflow: run {written['run_id']} in {written['tracking_uri']}, experiment {written['experiment']}")
