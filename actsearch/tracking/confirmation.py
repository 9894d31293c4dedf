"""What MLflow had of a search when everything was written, so that a resume need not look up thousands of runs.

A file beside the ledger notes it for each store. It is no proof: the store is asked whether the run of the search still
ended as noted, and whether there are still as many runs. A deleted store, deleted runs, or a run of the search that was
reopened differ in one of them, and then everything is looked up and what is missing is written.
"""

import json
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from actsearch._private import page_token_at
from actsearch.ledger import Ledger
from actsearch.tracking.runs import LEVEL, SEARCH_ID
from actsearch.tracking.store import CONFIRMATION_NAME, StoreAddress


@dataclass(frozen=True)
class Confirmation:
    """What a store had of a search.

    Args:
        num_facts: Number of the last fact that was written.
        chain: Its hash, which tells the ledger from any other.
        search_id: Id of the search.
        experiment_id, run_id, trial_run_ids: Ids in MLflow.
        status, ended_at: How and when the run of the search ended, in milliseconds.
        num_runs: Number of runs, with those of trials and executions.
    """

    num_facts: int
    chain: str
    search_id: str
    experiment_id: str
    run_id: str
    trial_run_ids: dict[str, str]
    status: str
    ended_at: int | None
    num_runs: int

    @property
    def ids(self) -> dict[str, Any]:
        """The ids that a search reports of its runs."""
        return {"run_id": self.run_id, "trial_run_ids": self.trial_run_ids}

    def holds(self, client: MlflowClient, experiment_id: str) -> bool:
        """Returns whether a store still has it; two queries of one run each, however many there are."""
        if experiment_id != self.experiment_id:
            return False
        of_search = f"tags.`{SEARCH_ID}` = '{self.search_id}'"
        try:
            found = client.search_runs([experiment_id], f"{of_search} and tags.`{LEVEL}` = 'search'", max_results=2)
            token = page_token_at(self.num_runs - 1)
            last = client.search_runs([experiment_id], of_search, max_results=1, page_token=token)
        except MlflowException:  # a store with other tokens; one that is unreachable fails the full look-up too
            return False
        ends = [(run.info.run_id, run.info.status, run.info.end_time) for run in found]
        return ends == [(self.run_id, self.status, self.ended_at)] and len(last) == 1 and not last.token


def confirmed(ledger: Ledger, address: StoreAddress) -> Confirmation | None:
    """Reads what was noted for a store; None if there is nothing, or if it is of another ledger."""
    noted = _read(ledger.directory).get(_name(address))
    try:
        confirmation = Confirmation(**noted) if noted is not None else None
    except TypeError:  # another version wrote it
        return None
    return confirmation if confirmation and ledger.chain_at(confirmation.num_facts) == confirmation.chain else None


def confirm(ledger: Ledger, address: StoreAddress, confirmation: Confirmation) -> None:
    """Notes what a store has; if the file cannot be written, the next resume looks everything up."""
    file = ledger.directory / CONFIRMATION_NAME
    unfinished = file.with_suffix(".unfinished")
    with suppress(OSError):
        unfinished.write_text(json.dumps({**_read(ledger.directory), _name(address): asdict(confirmation)}), "utf-8")
        unfinished.replace(file)


def _read(directory: Path) -> dict[str, Any]:
    try:
        noted = json.loads((directory / CONFIRMATION_NAME).read_text("utf-8"))
    except (OSError, ValueError):  # there is none, or it is damaged
        return {}
    return noted if isinstance(noted, dict) else {}


def _name(address: StoreAddress) -> str:
    return f"{address.experiment} in {address.shown}"
