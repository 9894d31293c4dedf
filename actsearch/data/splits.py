"""Splits: how samples are divided into a training, a validation and a test part, for each execution of a search."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from actsearch._typing import Array
from actsearch.data.arrays import SHARES, split_indices
from actsearch.errors import DataError, UsageError, did_you_mean
from actsearch.records import execution_seed

EACH, ONE = "each", "one"
SHORTEST = 0.6  # the part of a series that the earliest origin uses
MAX_DRAWS = 20  # of divisions into whole groups
_VALIDATION = 0.25  # of the samples that are not in the fold
Indices = NDArray[np.intp]


def num_folds(splits: str) -> int | None:
    """Returns k of `k-fold`; None for `each` and `one`.

    Raises:
        UsageError: `splits` is none of these.

    Example:

    >>> num_folds("5-fold"), num_folds("each")
    (5, None)
    """
    if splits in (EACH, ONE):
        return None
    fold = re.fullmatch(r"(\d+)-?folds?", str(splits))
    if fold is None:
        hint = did_you_mean(str(splits), (EACH, ONE, "5-fold", "10-fold"))
        raise UsageError(
            f"splits must be each, one, or a number of folds such as 5-fold, not {splits!r}.{hint} With each, every "
            "execution divides the data differently; with one, all share a division."
        )
    if int(fold[1]) < 2:
        raise UsageError(f"splits={splits!r}: at least 2 folds are needed.")
    return int(fold[1])


@dataclass(frozen=True, eq=False)
class Splits:
    """The splits of n samples, one for each execution, which all trials of the search share.

    With `each`, every execution has a random split of its own; with `one`, all executions share one; with `k-fold`,
    the test parts of executions 1 to k contain every sample once, those of the next k executions again, in other folds.
    In order, execution 1 divides the whole series, and others end earlier, between 60 % of it and all of it.

    Args:
        kind: `each`, `one`, or a number of folds such as `5-fold`.
        num_samples: n.
        seed: Seed of the search.
        shares: The size of training, validation and, unless the test data is given, test part.
        labels: Classes to stratify by, shape (n,). With groups, each part gets every class as far as groups permit.
        groups: The group of each sample, shape (n,): no group is in two parts.
        in_order: Whether the parts follow each other, as the past and the future of a series.

    Raises:
        UsageError: The arguments contradict each other.
        DataError: There are too few samples or groups.

    Example:

    >>> splits = Splits("5-fold", 10, seed=0)
    >>> sorted(int(i) for execution in range(1, 6) for i in splits(execution)[-1])
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]
    """

    kind: str
    num_samples: int
    seed: int
    shares: tuple[float, ...] = SHARES
    labels: Array | None = None
    groups: Array | None = None
    in_order: bool = False

    def __post_init__(self) -> None:
        num_folds(self.kind)
        if self.in_order and self.groups is not None:
            raise UsageError("groups and a division in order contradict each other. Omit one of them.")
        if self.in_order and self._folds is not None:
            raise UsageError(
                f"splits={self.kind!r} would train on the future of a series. Use each, which ends it at several times."
            )
        if self.groups is not None and len(self.groups) != self.num_samples:
            raise DataError(f"groups has {len(self.groups):,} entries, but there are {self.num_samples:,} samples.")
        if self.in_order and self.kind == EACH:
            self._check_shortest()
        self(1)

    def _check_shortest(self) -> None:
        """Checks that the shortest part of a series can be divided too, before anything trains."""
        shortest = round(self.num_samples * SHORTEST)
        try:
            split_indices(shortest, seed=self.seed, shares=self.shares, in_order=True)
        except DataError as error:
            raise DataError(
                f"A series of {self.num_samples} samples ends at {shortest} of them in some executions: {error} Pass "
                "more data, or splits='one'."
            ) from error

    @cached_property
    def _folds(self) -> int | None:
        return num_folds(self.kind)

    def number(self, execution: int) -> int:
        """Returns the number of the split of an execution: executions with the same number share it."""
        return 1 if self.kind == ONE else execution

    def __call__(self, execution: int) -> list[Indices]:
        """Returns the indices of the samples in each part, in the order of `shares`.

        Args:
            execution: Number of the execution, from 1.
        """
        number = self.number(execution)
        if self._folds is not None:
            return self._fold((number - 1) % self._folds, self._seed(1 + (number - 1) // self._folds))
        if self.groups is not None:
            return self._groups(self.groups, self._seed(number))
        if self.in_order:
            return split_indices(self._end(number), seed=self.seed, shares=self.shares, in_order=True)
        return split_indices(self.num_samples, seed=self._seed(number), labels=self.labels, shares=self.shares)

    def _groups(self, groups: Array, seed: int) -> list[Indices]:
        """Divides whole groups; of several draws, takes the first in which the fewest classes lack in some part."""
        if self.labels is None:
            return _split_groups(groups, self.shares, seed)
        draws = [_split_groups(groups, self.shares, execution_seed(seed, n) if n else seed) for n in range(MAX_DRAWS)]
        best = min(draws, key=self._num_lacking)
        self._check_two_classes(best)
        return best

    def _num_lacking(self, parts: Sequence[Indices]) -> int:
        """Counts, over the parts, the classes that are not in a part."""
        if self.labels is None:
            return 0
        return sum(len(np.unique(self.labels)) - len(np.unique(self.labels[part])) for part in parts)

    def _check_two_classes(self, parts: Sequence[Indices]) -> None:
        """Refuses a part with a single class: no model could be told from another by it."""
        if self.labels is None:
            return
        if min(len(np.unique(self.labels[part])) for part in parts) < 2 <= len(np.unique(self.labels)):
            raise DataError(
                "Some part of the data would have samples of one class only, since no group may be in two parts. Pass "
                "more groups with samples of each class, or divide the data yourself and pass validation_data."
            )

    def _seed(self, number: int) -> int:
        return self.seed if number == 1 else execution_seed(self.seed, number)

    def _end(self, number: int) -> int:
        """Returns how many samples of a series a split uses; the ends spread evenly, however many there are."""
        position, step = 0.0, 0.5
        rest = number - 1
        while rest:
            position, rest, step = position + step * (rest % 2), rest // 2, step / 2
        return round(self.num_samples * (1 - (1 - SHORTEST) * position))

    def _fold(self, fold: int, seed: int) -> list[Indices]:
        """Returns a fold as the last part; a quarter of the other samples is the validation part."""
        others, part = self._k_fold(seed)[fold]
        parts = [others, part]
        if len(self.shares) == 3:  # else the test data is given: the fold is for validation
            choices = self._k_fold(seed + 1, round(1 / _VALIDATION), others)
            inner = min(choices, key=lambda pair: self._num_lacking([others[each] for each in pair]))
            parts = [others[inner[0]], others[inner[1]], part]
        if self.groups is not None:
            self._check_two_classes(parts)
        return parts

    def _k_fold(self, seed: int, k: int | None = None, among: Indices | None = None) -> list[tuple[Indices, Indices]]:
        from sklearn.model_selection import GroupKFold, KFold, StratifiedGroupKFold, StratifiedKFold

        rows = np.arange(self.num_samples) if among is None else among
        k = self._folds if k is None else k
        groups = None if self.groups is None else self.groups[rows]
        labels = None if self.labels is None else self.labels[rows]
        self._check_enough(k or 0, rows, labels, groups, "" if among is None else "a validation part, one of ")
        shuffled: dict[str, Any] = {"shuffle": True, "random_state": seed % 2**32}
        if groups is None:
            return list((KFold if labels is None else StratifiedKFold)(k, **shuffled).split(rows, labels))
        folds = (GroupKFold if labels is None else StratifiedGroupKFold)(k, **shuffled)
        return list(folds.split(rows, labels, groups))

    def _check_enough(self, k: int, rows: Indices, labels: Array | None, groups: Array | None, of: str) -> None:
        available = len(rows) if groups is None else len(np.unique(groups))
        what = "samples" if groups is None else "groups"
        if labels is not None and groups is None:
            available, what = int(np.unique(labels, return_counts=True)[1].min()), "samples of the rarest class"
        if available < k:
            raise DataError(f"{available} {what} are too few for {of}{k} folds. Use fewer folds, or splits='each'.")


def _split_groups(groups: Array, shares: Sequence[float], seed: int) -> list[Indices]:
    """Divides whole groups at random into parts that have about these shares of the samples.

    A group that would fill the smallest part twice is always in the first, so that enough is left to train on.
    """
    names, positions = np.unique(groups, return_inverse=True)
    if len(names) < len(shares):
        raise DataError(f"{len(names)} groups are too few for {len(shares)} parts: each needs at least one.")
    sizes = np.bincount(positions)
    order = np.random.default_rng([seed, len(names)]).permutation(len(names))
    order = order[np.argsort(sizes[order] <= 2 * min(shares) * len(groups), kind="stable")]
    ends = np.cumsum(sizes[order]) - sizes[order] / 2  # a group belongs to the part in which its middle is
    part = np.searchsorted(np.cumsum(shares)[:-1] * len(groups), ends)
    for missing in sorted(set(range(len(shares))) - set(part.tolist())):
        fullest = np.flatnonzero(part == np.bincount(part).argmax())
        part[fullest[sizes[order[fullest]].argmin()]] = missing  # its smallest group
    of_group = np.empty(len(names), dtype=int)
    of_group[order] = part
    return [np.flatnonzero(of_group[positions] == number) for number in range(len(shares))]
