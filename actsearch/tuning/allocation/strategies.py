"""The allocations: the same number of executions for every trial, successive halving, and a race."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from actsearch.analysis.looks import Looks
from actsearch.analysis.race import RaceTest
from actsearch.analysis.results import Action, Decision
from actsearch.config import EXECUTIONS, FACTOR, MAX_EXECUTIONS, RUNGS, check_count
from actsearch.errors import UsageError
from actsearch.records import Direction
from actsearch.tuning.allocation.base import Allocation, Waves


class Fixed(Allocation):
    """Gives every trial the same number of executions, seed by seed; trials may join at any time.

    Args:
        executions: Executions of each trial.
        only: Activations that a search with fewer executions is extended for, besides the baseline; empty for all.

    Example:

    >>> grid = Fixed(2)
    >>> grid.add("relu"); grid.add("selu")
    >>> [grid.ask() for _ in range(4)]
    [('relu', 1), ('selu', 1), ('relu', 2), ('selu', 2)]
    """

    trials_may_join = True

    def __init__(self, executions: int = EXECUTIONS, *, only: Sequence[str] = ()) -> None:
        super().__init__()
        check_count("executions", executions)
        self._executions, self._only = executions, checked_labels(only)

    @property
    def numbers(self) -> Mapping[str, Any]:
        return {"executions": self._executions}

    @property
    def only(self) -> tuple[str, ...]:
        return self._only

    def _limit(self, trial_id: str) -> int:  # noqa: ARG002
        return self._executions


class Halving(Waves):
    """Runs rungs of ever more epochs with ever fewer trials (Jamieson & Talwalkar 2016, arXiv 1502.07943).

    At each rung, every remaining trial gets the same number of executions, on seeds of that rung alone; then the best
    1 / `factor` of them and the baseline continue. Executions of the last rung have all epochs, and seeds by which
    nothing was chosen: they can be compared with the baseline's. The drops themselves do not control any error.

    Args:
        executions: Executions of each trial at each rung.
        factor: Factor by which the epochs grow and the number of trials shrinks from rung to rung.
        rungs: Number of rungs; the first has 1 / factor^(rungs - 1) of the epochs.

    Example:

    >>> from actsearch.records import Direction, Objective
    >>> halving = Halving(executions=1).start(Objective("val_accuracy", Direction.MAX), alpha=0.05)
    >>> for name in ("relu", "elu", "selu", "gelu", "mish"):
    ...     halving.add(name, baseline=name == "relu")
    >>> rungs = []
    >>> while (asked := halving.ask()) is not None:
    ...     trial, execution = asked
    ...     rungs.append((trial, round(halving.epochs(trial, execution), 2)))
    ...     halving.tell(trial, execution, len(trial) / 10 + ord(trial[0]) / 1000)
    >>> rungs[5:]
    [('relu', 0.33), ('selu', 0.33), ('relu', 1.0), ('selu', 1.0)]
    """

    def __init__(
        self,
        executions: int = EXECUTIONS,
        *,
        factor: int = FACTOR,
        rungs: int = RUNGS,
    ) -> None:
        super().__init__()
        check_count("executions", executions)
        check_count("factor", factor, least=2)
        check_count("rungs", rungs)
        self._executions = executions
        self._factor = factor
        self._rungs = rungs
        self._dropped: set[str] = set()
        self._decisions: list[Decision] = []

    @property
    def numbers(self) -> Mapping[str, Any]:
        return {"executions": self._executions, "factor": self._factor, "rungs": self._rungs}

    @property
    def decisions(self) -> tuple[Decision, ...]:
        """Drops so far, in order."""
        return tuple(self._decisions)

    def epochs(self, trial_id: str, execution: int) -> float:  # noqa: ARG002
        """Returns the share of the full number of epochs that an execution gets, by its rung."""
        return float(self._factor) ** min(0, self._rung(execution) - self._rungs + 1)

    def _rung(self, execution: int) -> int:
        return (execution - 1) // self._executions

    def _running(self) -> list[str]:
        over = self._rung(self._wave) >= self._rungs
        return [] if over else [t for t in self._results if t not in self._dropped]

    def _close(self, scores: dict[str, float | None]) -> None:
        rung = self._rung(self._wave)
        if self._wave % self._executions or rung + 1 == self._rungs:
            return
        means = {trial: self._mean(trial) for trial in scores}
        order = sorted(means, key=lambda t: -means[t])
        kept = set(order[: math.ceil(len(order) / self._factor)]) | set(self._baselines)
        for rank, trial in enumerate(order, start=1):
            if trial not in kept:
                self._drop(trial, f"rank {rank} of {len(order)}", self.epochs(trial, self._wave), means[trial])

    def _drop(self, trial: str, rank: str, share: float, mean: float) -> None:
        failed = math.isinf(mean)
        score = "an execution failed" if failed else f"mean {self._sign * mean:.4g}"
        reason = f"{rank} after {self._executions} executions at {share:.3g} of the epochs: {score}"
        self._dropped.add(trial)
        self._decisions.append(Decision(trial, Action.FAILED if failed else Action.DROPPED, self._wave, reason))

    @property
    def _sign(self) -> int:
        return 1 if self._objective.direction is Direction.MAX else -1

    def _mean(self, trial: str) -> float:
        """Returns the oriented mean over this rung; -inf if an execution failed."""
        first = self._wave - self._executions + 1
        scores = [self._results[trial][e] for e in range(first, self._wave + 1)]
        known = [s for s in scores if s is not None]
        return self._sign * sum(known) / len(known) if len(known) == len(scores) else -math.inf


class Race(Waves):
    """Runs executions seed by seed until every trial is decided.

    After each complete seed, trials that are shown not to be the best are dropped, and candidates that are shown
    better, equivalent or worse than the baseline are decided. The baseline is never dropped. The errors are controlled
    over all looks and all trials: see `actsearch.analysis.race`. A trial with a failed execution leaves the race, since
    it can no longer be shown better.

    Args:
        max_executions: Maximum number of executions of a trial.
        only: Activations that an earlier search is extended for, besides the baseline; empty for all.

    Example:

    >>> from actsearch.records import Direction, Objective
    >>> race = Race(max_executions=10).start(Objective("val_accuracy", Direction.MAX), alpha=0.05)
    >>> race.add("relu", baseline=True); race.add("sigmoid")
    >>> while (asked := race.ask()) is not None:
    ...     trial, execution = asked
    ...     race.tell(trial, execution, (0.9 if trial == "relu" else 0.4) + 0.001 * execution % 0.007)
    >>> [(d.trial_id, d.action.value, d.execution) for d in race.decisions]
    [('sigmoid', 'dropped', 4), ('sigmoid', 'claimed', 4)]
    """

    needs_samples = True

    def __init__(self, max_executions: int = MAX_EXECUTIONS, *, only: Sequence[str] = ()) -> None:
        super().__init__()
        check_count("max_executions", max_executions)
        self._max_executions, self._only = max_executions, checked_labels(only)
        self._evidence: RaceTest | None = None

    @property
    def numbers(self) -> Mapping[str, Any]:
        return {"max_executions": self._max_executions}

    @property
    def only(self) -> tuple[str, ...]:
        return self._only

    @property
    def decisions(self) -> tuple[Decision, ...]:
        """Drops and claims so far, in order, each with its figures."""
        return tuple(self._evidence.decisions) if self._evidence else ()

    def _running(self) -> list[str]:
        if self._wave > self._max_executions:
            return []
        if self._evidence is None:
            return list(self._results)
        return [] if self._evidence.finished else self._evidence.running

    def _close(self, scores: dict[str, float | None]) -> None:
        if self._evidence is None:
            plans = self._rules.get("plans") or [Looks(self._max_executions, every=True)]
            rules = self._rules | {"plans": plans}
            self._evidence = RaceTest(list(self._results), self._baselines, self._objective, **rules)
        self._evidence.observe(scores, {trial: self._samples[trial].pop(self._wave, None) for trial in scores})


def checked_labels(only: Sequence[str]) -> tuple[str, ...]:
    """Returns labels of activations as a tuple.

    Raises:
        UsageError: It is a single text.
    """
    if isinstance(only, str):
        raise UsageError(f"only must be a list of activations, not {only!r}. Write [{only!r}].")
    return tuple(only)
