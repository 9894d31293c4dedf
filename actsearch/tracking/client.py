"""A client of an MLflow store, for a process that may wait for it."""

import re

from mlflow import MlflowClient

from actsearch._locks import creation_lock
from actsearch.errors import TrackingError
from actsearch.tracking.store import StoreAddress


def open_store(address: StoreAddress) -> tuple[MlflowClient, str]:
    """A client of the store, and the id of its experiment, which is made where it is not there.

    Raises:
        TrackingError: The experiment was deleted.
    """
    with creation_lock(address.database):
        client = MlflowClient(tracking_uri=address.tracking_uri)
        return client, open_experiment(client, address)


def open_experiment(client: MlflowClient, address: StoreAddress) -> str:
    """The experiment's id; it is made where it is not there, with its artifacts beside a local database."""
    found = client.get_experiment_by_name(address.experiment)
    if found is not None and found.lifecycle_stage == "deleted":
        raise TrackingError(
            f"the experiment {address.experiment!r} was deleted in MLflow; restore it, or give another --experiment"
        )
    if found is not None:
        return found.experiment_id
    folder = re.sub(r"\W+", "-", address.experiment)
    artifacts = (address.database.parent / "mlruns" / folder).as_uri() if address.database else None
    tags = {"mlflow.experimentKind": "custom_model_development"}
    return client.create_experiment(address.experiment, artifact_location=artifacts, tags=tags)
