"""`actsearch sync`: uploads whatever MLflow is missing for a search."""

from pathlib import Path


def run(directory: Path, tracking_uri: str | None, experiment: str | None) -> None:
    """Draws the search in a directory into its store, or into another."""
    from actsearch._locks import is_locked
    from actsearch.ledger import Ledger
    from actsearch.tracking.store import recorded_address
    from actsearch.tracking.sync_process import sync

    search = Ledger(directory).read()
    address = recorded_address(search.environment, tracking_uri, experiment)
    written = sync(directory, address, running=is_locked(directory))
    executions = sum(len(trial.executions) for trial in search.trials)
    print(f"{search.name}: {len(search.trials)} trials and {executions} executions are in MLflow")
    print(f"MLflow: run {written['run_id']} in {written['tracking_uri']}, experiment {written['experiment']}")
