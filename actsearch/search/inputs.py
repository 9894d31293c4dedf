"""What a caller hands to a search: checked, and described for the ledger."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from actsearch.data import check_arrays, fingerprint
from actsearch.errors import UsageError
from actsearch.records import Objective
from actsearch.training.data import TrainingData


def training_data(
    x: Any, y: Any, validation_data: Any, test_data: Any, options: Mapping[str, Any], objective: Objective
) -> TrainingData:
    """The data of a search.

    Args:
        x, y: Arrays, or nested structures of them; a data set as `x` with `y` None.
        validation_data, test_data: `(x, y)` or `(x, y, sample_weight)`, or a data set.
        options: `sample_weight`, `class_weight`, and what else goes to `model.fit`.
        objective: One of validation needs validation data.

    Raises:
        UsageError: The arrays do not fit each other, or the objective cannot be measured.
    """
    options = dict(options)
    for name in ("epochs", "batch_size", "validation_freq", "verbose"):
        if name in options:
            raise UsageError(
                f"search() got {name}: executions are trained alike; give it to ActivationTuner or leave it out."
            )
    if objective.name.startswith("val_") and validation_data is None and not options.get("validation_split"):
        raise UsageError(
            f"The objective {objective.name} is measured on validation data, and there is none. "
            "Pass validation_data=(x, y), or call actsearch.search(), which divides the data."
        )
    sample_weight, class_weight = options.pop("sample_weight", None), options.pop("class_weight", None)
    if y is not None:
        x, y = check_arrays(x, y)
        validation_data = _checked(validation_data, "validation_data")
        test_data = _checked(test_data, "test_data")
    weight = None if sample_weight is None else np.asarray(sample_weight)
    if weight is not None and y is not None and len(weight) != len(next(iter(_leaves(y)))):
        raise UsageError(
            f"sample_weight has {len(weight)} entries, and there are {len(next(iter(_leaves(y))))} samples."
        )
    return TrainingData(x, y, validation_data, test_data, weight, class_weight, options)


def describe_data(data: TrainingData) -> dict[str, Any]:
    """Size and fingerprint of arrays, for the ledger."""
    if data.y is None:
        return {"name": type(data.x).__name__}
    parts = [(data.x, data.y), *(part for part in (data.validation, data.test) if isinstance(part, tuple))]
    hashes = [fingerprint(*(array for array in part if array is not None)) for part in parts]
    return {"name": "arrays", "fingerprint": fingerprint(np.frombuffer("".join(hashes).encode(), "uint8"))}


def _leaves(data: Any) -> list[Any]:
    import keras

    return list(keras.tree.flatten(data))


def _checked(data: Any, name: str) -> Any:
    if not isinstance(data, tuple | list):
        return data
    if len(data) not in (2, 3):
        raise UsageError(f"{name} must be (x, y) or (x, y, sample_weight); it has {len(data)} parts.")
    return (*check_arrays(data[0], data[1], name=name), *(np.asarray(part) for part in data[2:]))
