"""Names the data of a search for MLflow: what its pages show, without the data."""

import hashlib
import json
from typing import Any

from mlflow.entities import Dataset, DatasetInput, InputTag

from actsearch.records import SearchRecord

_CONTEXT = "mlflow.data.context"
_CONTEXTS = {"train": "training", "validation": "validation", "test": "test"}
_PROFILE = ("num_classes", "target_mean", "target_sd", "task", "summary", "fingerprint")


def data_sets(search: SearchRecord) -> list[DatasetInput]:
    """Describes the parts of the data of a search; none if nothing identifies them, as with a generator.

    Args:
        search: Record of the search.

    Returns:
        The training data, and validation and test data if they are known, each with its number of samples. A digest
        stands for the data and how they are divided: the same digest is the same part of the same data.

    Example:

    >>> from actsearch.records import Direction, Objective
    >>> data = {"name": "digits", "fingerprint": "1f", "num_training": 60}
    >>> [found] = data_sets(SearchRecord("1", "", Objective("val_loss", Direction.MIN), "relu", 0.0, data=data))
    >>> found.dataset.name, found.tags[0].value
    ('digits', 'training')
    """
    data = search.data
    if not data.get("fingerprint"):
        return []
    sizes = dict(data.get("sizes") or {"train": data.get("num_training")})
    return [_part(search, name, size) for name, size in sizes.items() if size]


def _part(search: SearchRecord, part: str, size: int) -> DatasetInput:
    data, name = search.data, str(search.data.get("name") or "data")
    divided = [data["fingerprint"], data.get("sizes"), search.config.splits, search.config.seed, part]
    digest = hashlib.sha256(json.dumps(divided, default=str).encode()).hexdigest()[:16]
    profile: dict[str, Any] = {"num_samples": size}
    profile |= {key: data[key] for key in _PROFILE if data.get(key) is not None}
    described = Dataset(
        name=name,
        digest=digest,
        source_type="actsearch",
        source=json.dumps({"name": name, "fingerprint": data["fingerprint"]}, default=str),
        schema=_schema(data.get("input_shape"), data.get("class_names")),
        profile=json.dumps(profile, default=str),
    )
    return DatasetInput(described, [InputTag(_CONTEXT, _CONTEXTS.get(part, part))])


def _schema(shape: Any, class_names: Any) -> str | None:
    """Describes the arrays as MLflow's page of data understands it; None if their shape is not known."""
    if not shape:
        return None
    features = [{"type": "tensor", "tensor-spec": {"dtype": "float32", "shape": [-1, *shape]}}]
    kind = "int64" if class_names else "float32"
    targets = [{"type": "tensor", "tensor-spec": {"dtype": kind, "shape": [-1]}}]
    return json.dumps({"mlflow_tensorspec": {"features": json.dumps(features), "targets": json.dumps(targets)}})
