"""A search as the ledger first hears of it."""

import time
import uuid
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from actsearch.records import Objective, SearchRecord
from actsearch.search.discovery import Discovery
from actsearch.search.environment import describe_environment
from actsearch.tracking.store import StoreAddress


def describe_search(
    discovery: Discovery,
    objective: Objective,
    settings: Mapping[str, Any],
    data: Mapping[str, Any],
    address: StoreAddress,
) -> SearchRecord:
    """A new search: what varies, what was asked for, on what data, and where it runs and is drawn."""
    space = discovery.space
    return SearchRecord(
        search_id=uuid.uuid4().hex,
        name=space.name if space else "search",
        objective=objective,
        baseline=discovery.baseline,
        created_at=time.time(),
        space=space.to_dict() if space else discovery.hyperparameters.get_config(),
        settings=dict(settings),
        data=dict(data),
        environment=describe_environment() | asdict(address),
    )
