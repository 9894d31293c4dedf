"""A forest that predicts the scores of trials from their hyperparameters, judged on trials that it was not fitted to.

Each tree is fitted to a draw of the trials; a trial is predicted by the trees that were fitted without it. Permutation
importance lends some of a trial's values from other trials, drawn at random. If hyperparameters were chosen
independently, half the rise of the squared error is the total-order Sobol index of those that were lent, as far as the
forest has learned the function: the variance that depends on them, alone or together with others.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from actsearch.analysis.statistics import Array
from actsearch.records import SearchRecord

ACTIVATION = "activation"  # or `activation.SITE`, as `choose` calls them
ABSENT = "\0absent"  # a hyperparameter that a trial does not have, such as the slope of another activation
NUM_TREES, NUM_REPEATS, SEED = 200, 10, 0
_OF_KERAS_TUNER = "tuner/"  # what its Hyperband writes among the hyperparameters


@dataclass(frozen=True)
class HyperparameterTable:
    """The hyperparameters that vary between the trials of a search that have a score, and the judged scores.

    Args:
        names: Names of the hyperparameters.
        values: For each trial, its values in this order; `ABSENT` for those that it does not have.
        scores: For each trial, pairs of the number of an execution and its judged score.
    """

    names: tuple[str, ...]
    values: tuple[tuple[Any, ...], ...]
    scores: tuple[tuple[tuple[int, float], ...], ...]

    @property
    def num_trials(self) -> int:
        """Number of trials."""
        return len(self.values)

    def column(self, name: str) -> list[Any]:
        """Returns the values of a hyperparameter, by trial."""
        position = self.names.index(name)
        return [row[position] for row in self.values]

    def levels(self, name: str) -> list[Any]:
        """Returns the different values of a hyperparameter: numbers in ascending order, others as they first occur."""
        found = [value for value in dict.fromkeys(self.column(name)) if value != ABSENT]
        return sorted(found) if self.is_ordered(name) else found

    def is_ordered(self, name: str) -> bool:
        """Returns whether the values of a hyperparameter are numbers."""
        present = [value for value in self.column(name) if value != ABSENT]
        return all(isinstance(value, int | float) and not isinstance(value, bool) for value in present)

    def present(self, name: str) -> NDArray[np.bool_]:
        """Returns which trials have a hyperparameter, shape (trials,)."""
        return np.array([value != ABSENT for value in self.column(name)])

    def is_always_present(self, name: str) -> bool:
        """Returns whether every trial has a hyperparameter."""
        return bool(self.present(name).all())

    def owner(self, name: str) -> str | None:
        """Returns the hyperparameter whose value decides whether a trial has this one; None if every trial does."""
        if self.is_always_present(name):
            return None
        for other in self.names:
            levels, column = self.levels(other), self.column(other)
            if other == name or len(levels) > self.num_trials / 2:
                continue
            having = {value for value, has in zip(column, self.present(name), strict=True) if has}
            lacking = {value for value, has in zip(column, self.present(name), strict=True) if not has}
            if not having & lacking:
                return other
        return None

    def is_full_grid(self) -> bool:
        """Returns whether each combination of values has exactly one trial."""
        size = math.prod(len(self.levels(name)) for name in self.names)
        return len(set(self.values)) == self.num_trials == size and all(map(self.is_always_present, self.names))


def hyperparameter_table(search: SearchRecord, scores: Mapping[str, Mapping[int, float]]) -> HyperparameterTable:
    """Collects what varies between the trials of a search that have scores.

    Args:
        search: Record of the search.
        scores: Judged scores by trial and execution.
    """
    trials = [t for t in search.trials if scores.get(t.trial_id)]
    known = dict.fromkeys(name for t in trials for name in t.hyperparameters if not name.startswith(_OF_KERAS_TUNER))
    rows = [{name: _plain(t.hyperparameters.get(name, ABSENT)) for name in known} for t in trials]
    names = tuple(name for name in known if len({row[name] for row in rows} - {ABSENT}) > 1)
    return HyperparameterTable(
        names,
        tuple(tuple(row[name] for name in names) for row in rows),
        tuple(tuple(sorted(scores[t.trial_id].items())) for t in trials),
    )


def varied_hyperparameters(search: SearchRecord) -> list[str]:
    """Returns the names of the hyperparameters that vary between the trials of a search."""
    return list(hyperparameter_table(search, {t.trial_id: {1: 0.0} for t in search.trials}).names)


def _plain(value: Any) -> Any:
    return value if isinstance(value, str | int | float | bool) else repr(value)


class HeldOutForest:
    """Predicts trials by the trees that were fitted without them; some of their values may be lent by other trials.

    Args:
        table: The trials.
        groups: Sets of hyperparameters whose values are lent together. Those that depend on one of a set are lent with
            it: who lends an activation lends its parameters too.
    """

    def __init__(self, table: HyperparameterTable, groups: Sequence[Sequence[str]]) -> None:
        encoded = [_encoded(table, name) for name in table.names]
        owners = {name: table.owner(name) for name in table.names}
        starts = np.cumsum([0, *(part.shape[1] for part in encoded)])
        columns = {name: list(range(starts[i], starts[i + 1])) for i, name in enumerate(table.names)}
        self._features = np.hstack(encoded)
        self._columns = [[c for name in _with_owned(group, owners) for c in columns[name]] for group in groups]
        self._lenders = [np.all([table.present(name) for name in group], axis=0) for group in groups]
        self._own = {name: columns[name] for name in table.names}

    def fit(self, y: Array) -> "HeldOutForest":
        """Fits the forest to the scores of the trials, shape (trials,)."""
        from sklearn.ensemble import ExtraTreesRegressor

        forest = ExtraTreesRegressor(NUM_TREES, bootstrap=True, random_state=SEED).fit(self._features, y)
        self._trees = forest.estimators_
        trials = np.arange(len(y))
        self._held_out = np.array([~np.isin(trials, drawn) for drawn in forest.estimators_samples_])
        return self

    def predict(self, x: NDArray[np.int64]) -> Array:
        """Predicts each trial, shape (trials,).

        Args:
            x: For each trial and group of hyperparameters the trial that lends their values, shape (trials, groups).
        """
        moved, trials = self._features.copy(), np.arange(len(x))
        for group, (columns, lends) in enumerate(zip(self._columns, self._lenders, strict=True)):
            (to,) = np.nonzero((x[:, group] != trials) & lends & lends[x[:, group]])
            moved[to[:, None], columns] = self._features[x[to, group][:, None], columns]
        predicted = self._by_tree(moved)
        return np.sum(predicted * self._held_out, axis=0) / np.sum(self._held_out, axis=0)

    def held_out(self) -> Array:
        """Predicts each trial from its own values, shape (trials,)."""
        return self.predict(self._unlent)

    def error(self, y: Array) -> float:
        """Returns the mean squared error on trials held out."""
        return float(np.mean((y - self.held_out()) ** 2))

    @property
    def _unlent(self) -> NDArray[np.int64]:
        return np.tile(np.arange(len(self._features))[:, None], len(self._columns))

    def rises(self, y: Array) -> Array:
        """Computes by how much the squared error of each trial rises when its values are lent, in units of variance.

        Returns:
            Halves of the rises for each group, shape (groups, trials), scaled as if no trial lent to itself.
        """
        from sklearn.inspection import permutation_importance

        found = permutation_importance(self, self._unlent, y, scoring=_errors, n_repeats=NUM_REPEATS, random_state=SEED)
        rises = np.array([found[str(trial)].importances_mean for trial in range(len(y))]).T
        lent = np.array([max(int(np.sum(lends)) - 1, 1) for lends in self._lenders])
        return np.asarray(rises / 2 * (len(y) / lent)[:, None], dtype=float)

    def dependence(self, name: str, other: str, trials: Sequence[tuple[int, int]]) -> Array:
        """Computes the mean prediction over all trials where two hyperparameters have the values of given trials.

        Args:
            name, other: The hyperparameters.
            trials: Pairs: the trial that lends the first, and the one that lends the second.

        Returns:
            The partial dependence, shape (pairs,).
        """
        means = []
        for first, second in trials:
            moved = self._features.copy()
            moved[:, self._own[name]] = self._features[first, self._own[name]]
            moved[:, self._own[other]] = self._features[second, self._own[other]]
            means.append(np.mean(self._by_tree(moved)))
        return np.array(means)

    def _by_tree(self, features: NDArray[np.float32]) -> Array:
        return np.array([tree.predict(features, check_input=False) for tree in self._trees])


def _errors(forest: HeldOutForest, x: NDArray[np.int64], y: Array) -> dict[str, float]:
    """Returns the negative squared error of each trial, so that its rise is an importance."""
    return {str(trial): -float(error) for trial, error in enumerate((y - forest.predict(x)) ** 2)}


def _with_owned(group: Sequence[str], owners: Mapping[str, str | None]) -> list[str]:
    """Returns these hyperparameters and those that depend on them."""
    found = list(group)
    for name in found:  # grows while it is read
        found += [other for other, owner in owners.items() if owner == name and other not in found]
    return found


def _encoded(table: HyperparameterTable, name: str) -> NDArray[np.float32]:
    """Encodes numbers by their rank, so that a logarithm changes nothing, and others by one column for each value."""
    levels, column = table.levels(name), table.column(name)
    if table.is_ordered(name):
        ranks = [levels.index(value) if value != ABSENT else -1 for value in column]
        return (np.array(ranks)[:, None] / max(len(levels) - 1, 1)).astype(np.float32)
    return np.array([[value == level for level in levels] for value in column], np.float32)
