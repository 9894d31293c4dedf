"""A search as the ledger first hears of it."""

import hashlib
import json
import time
import uuid
from collections.abc import Mapping
from typing import Any

import keras

from actsearch.records import Objective, SearchRecord
from actsearch.search.discovery import Discovery
from actsearch.search.environment import describe_environment


def describe_search(
    discovery: Discovery,
    objective: Objective,
    settings: Mapping[str, Any],
    data: Mapping[str, Any],
    *,
    workers: int = 0,
) -> SearchRecord:
    """A new search: what varies, what was asked for, on what data, and where it runs."""
    space = discovery.space
    return SearchRecord(
        search_id=uuid.uuid4().hex,
        name=space.name if space else "search",
        objective=objective,
        baseline=discovery.baseline,
        created_at=time.time(),
        space=space.to_dict() if space else discovery.hyperparameters.get_config(),
        settings=dict(settings) | {"model": model_fingerprint(discovery.model)},
        data=dict(data),
        environment=describe_environment() | ({"workers": workers} if workers else {}),
    )


def model_fingerprint(model: keras.Model) -> str:
    """Tells models of other layers, optimizers or losses apart; of a subclassed one, other names or shapes.

    Example:

    >>> def small(units):
    ...     return keras.Sequential([keras.Input((3,), name="in"), keras.layers.Dense(units, name="out")], name="small")
    >>> model_fingerprint(small(2)) == model_fingerprint(small(2)) != model_fingerprint(small(3))
    True
    """
    try:
        text = model.to_json()
    except (NotImplementedError, TypeError, ValueError):
        shapes = [(weight.path, list(weight.shape)) for weight in model.weights]
        text = json.dumps([type(model).__qualname__, shapes])
    return hashlib.sha256(text.encode()).hexdigest()[:16]
