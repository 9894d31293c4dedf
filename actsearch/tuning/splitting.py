"""How a search divides arrays that come without validation data."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from actsearch.data import fingerprint
from actsearch.data.division import ArrayDivision, num_samples_of, shares_of, strata_of
from actsearch.data.splits import EACH, Splits, num_folds
from actsearch.errors import UnknownNameError, UsageError
from actsearch.training.data import TrainingData, is_arrays

_DIVISIONS = ("random", "in_order")


@dataclass(frozen=True)
class HowToDivide:
    """What the user said about the division of the data.

    Args:
        splits: `each`, `one` or `k-fold`.
        divide: `random` or `in_order`; if None, `in_order` for data that is not shuffled.
        groups: The group of each sample, shape (n,), or None.
    """

    splits: str
    divide: str | None = None
    groups: Any = None

    def divided(self, data: TrainingData, seed: int, batch_size: int | None) -> TrainingData:
        """Divides checked data.

        Args:
            data: The undivided data, whose test data may be given.
            seed: Seed of the search.
            batch_size: Number of samples in a batch if the model fixes it.

        Raises:
            UsageError, DataError: The data cannot be divided like that.
        """
        in_order = not data.shuffle if self.divide is None else self.divide == "in_order"
        splits = Splits(
            self.splits,
            num_samples_of(data.x),
            seed,
            shares_of(test_is_given=data.test is not None),
            None if in_order else strata_of(data.y),
            None if self.groups is None else _group_labels(self.groups),
            in_order,
        )
        test = data.test if data.test is not None and is_arrays(data.test) else None
        parts = [part for part in (data.x, data.y, splits.groups, test, data.sample_weight) if part is not None]
        hashed = fingerprint(*parts, *([np.array(["in order"])] if in_order else []))
        division = ArrayDivision(data.x, data.y, splits, hashed, data.test, batch_size, data.sample_weight)
        return data.divided_by(division)


def how_to_divide(
    data: Mapping[str, Any],
    splits: str | None,
    divide: str | None,
    groups: Any,
    fit_options: Mapping[str, Any],
    *,
    default: str | None = None,
) -> HowToDivide | None:
    """Checks what the user said about the division; returns None if the data is not divided.

    Args:
        data: `x`, `y` and `validation_data`, as the user gave them.
        splits, divide, groups: As for `HowToDivide`; None where they are not given.
        fit_options: Other arguments of `model.fit`.
        default: The splits if none are given: `each`, or None if data is divided only on request.

    Raises:
        UnknownNameError: No division has that name.
        UsageError: An argument would be ignored, or contradicts another.
    """
    if divide not in (None, *_DIVISIONS):
        raise UnknownNameError("division", divide, _DIVISIONS)
    if splits is not None:
        num_folds(splits)
    given = {"splits": splits, "divide": divide, "groups": groups}
    asked_for = [
        name if name == "groups" else f"{name}={value!r}" for name, value in given.items() if value is not None
    ]
    if data["validation_data"] is not None or fit_options.get("validation_split") or not is_arrays(data["x"]):
        if asked_for:
            raise UsageError(
                f"{asked_for[0]} would be ignored: only arrays without validation_data are divided. Omit it."
            )
        return None
    if splits is None and default is None and not asked_for:
        return None
    return HowToDivide(splits or default or EACH, divide, groups)


def _group_labels(groups: Any) -> Any:
    labels = np.asarray(groups)
    if labels.ndim != 1:
        raise UsageError(f"groups has the shape {labels.shape}; expected one label for each sample, shape (n,).")
    return labels
