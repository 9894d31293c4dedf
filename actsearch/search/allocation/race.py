"""A race: trials that are shown not to be the best get no more executions."""

from actsearch.analysis.elimination import Elimination
from actsearch.analysis.outcomes import Decision
from actsearch.errors import UsageError
from actsearch.records import Objective
from actsearch.search.allocation.base import Waves


class Race(Waves):
    """Executions seed by seed until every trial is decided.

    After each complete seed a trial is dropped once it is shown not to be the best, and a candidate is decided once
    it is shown better, equivalent or worse than the baseline. The baseline is never dropped. The errors are
    controlled over all looks and all trials: see `actsearch.analysis.elimination`. A trial of which an execution
    failed leaves, since it can no longer be shown better.

    Args:
        objective: Name and direction of the scores that it is told.
        alpha: Chance of ever dropping a trial that is among the best; and chance of a wrong claim.
        margin: The difference that does not matter; None for the objective's default, 0 for no equivalence.
        max_executions: Executions of a trial at most.

    Example:

    >>> from actsearch.records import Direction
    >>> race = Race(Objective("val_accuracy", Direction.MAX), max_executions=10)
    >>> race.add("relu", baseline=True); race.add("sigmoid")
    >>> while (asked := race.ask()) is not None:
    ...     trial, execution = asked
    ...     race.tell(trial, execution, (0.9 if trial == "relu" else 0.4) + 0.001 * execution % 0.007)
    >>> [(d.trial_id, d.action.value, d.execution) for d in race.decisions]
    [('sigmoid', 'dropped', 4), ('sigmoid', 'claimed', 4)]
    """

    def __init__(
        self, objective: Objective, *, alpha: float = 0.05, margin: float | None = None, max_executions: int = 30
    ) -> None:
        if not 0 < alpha < 1:
            raise UsageError(f"alpha must lie between 0 and 1, not {alpha}.")
        if margin is not None and margin < 0:
            raise UsageError(f"margin must be 0 or more, not {margin}.")
        if max_executions < 1:
            raise UsageError(f"max_executions must be at least 1, not {max_executions}.")
        super().__init__()
        self._objective, self._alpha, self._margin, self._max = objective, alpha, margin, max_executions
        self._evidence: Elimination | None = None

    @property
    def decisions(self) -> tuple[Decision, ...]:
        """Drops and claims so far, in order, each with its figures."""
        return tuple(self._evidence.decisions) if self._evidence else ()

    def _running(self) -> list[str]:
        if self._evidence is None:
            return list(self._results)
        return [] if self._evidence.finished else self._evidence.running

    def _close(self, scores: dict[str, float | None]) -> None:
        if self._evidence is None:
            self._evidence = Elimination(
                list(self._results),
                self._baselines,
                self._objective,
                alpha=self._alpha,
                margin=self._margin,
                max_executions=self._max,
            )
        self._evidence.observe(scores)
