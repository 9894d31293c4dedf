"""Draws what MLflow lacks of a search, from its ledger alone."""

from pathlib import Path
from typing import Any

from actsearch.errors import TrackingError
from actsearch.ledger import Ledger
from actsearch.tracking.follower import Follower
from actsearch.tracking.store import StoreAddress, recorded_address


def sync(directory: str | Path, address: StoreAddress | None = None, *, running: bool = False) -> dict[str, Any]:
    """Draws what MLflow lacks of a search, with its original times; what is drawn already is left alone.

    Args:
        directory: The search's directory.
        address: Another store than the one that the search was drawn into.
        running: Whether a process runs the search: its runs stay open. Else those that it left open are closed as
            KILLED.

    Returns:
        `tracking_uri`, `experiment`, `experiment_id`, `run_id`, and `trial_run_ids` by trial.

    Raises:
        LedgerError: There is no search, or its ledger is damaged.
        UsageError: The store cannot be meant, or its password is not known.
        TrackingError: The store does not answer, or another process draws the search at the moment.
    """
    search = Ledger(directory).read()
    address = address or recorded_address(search.environment)
    drawn = Follower(Path(directory), address, goes_on=running).finish()
    if "problem" in drawn:
        raise TrackingError(
            f"MLflow, {address.shown}, has not everything of {directory}: {drawn['problem']}. "
            "Once that is mended, the same command goes on."
        )
    return address.recorded | drawn
