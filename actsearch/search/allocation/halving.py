"""Successive halving over epochs: many trials for a few epochs, the better ones for more."""

import math

from actsearch.analysis.outcomes import Action, Decision
from actsearch.errors import UsageError
from actsearch.records import Direction, Objective
from actsearch.search.allocation.base import Waves


class Halving(Waves):
    """Rungs of more and more epochs, with fewer and fewer trials (Jamieson & Talwalkar 2016, arXiv 1502.07943).

    At each rung every trial left gets the same number of executions, on seeds of that rung alone; then the best
    1 / `factor` of them go on, and the baseline always. Executions of the last rung have all epochs and seeds that
    nothing was chosen by: they can be compared with the baseline's. The drops themselves control no error.

    Args:
        objective: Name and direction of the scores that it is told.
        executions: Executions of each trial at each rung.
        factor: What the epochs are multiplied by, and the number of trials is divided by, from rung to rung.
        rungs: Number of rungs; the first has 1 / factor^(rungs - 1) of the epochs.

    Example:

    >>> halving = Halving(Objective("val_accuracy", Direction.MAX), executions=1)
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

    def __init__(self, objective: Objective, *, executions: int = 3, factor: int = 3, rungs: int = 3) -> None:
        if executions < 1 or factor < 2 or rungs < 1:
            raise UsageError(
                f"executions and rungs must be at least 1 and factor at least 2, not {executions}, {rungs}, {factor}."
            )
        super().__init__()
        self._sign = 1 if objective.direction is Direction.MAX else -1
        self._executions, self._factor, self._rungs = executions, factor, rungs
        self._dropped: set[str] = set()
        self._decisions: list[Decision] = []

    @property
    def decisions(self) -> tuple[Decision, ...]:
        """Drops so far, in order."""
        return tuple(self._decisions)

    def epochs(self, trial_id: str, execution: int) -> float:  # noqa: ARG002
        """The share of the full number of epochs that an execution gets, by its rung."""
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

    def _mean(self, trial: str) -> float:
        """The mean over this rung, oriented; below all others where an execution failed."""
        first = self._wave - self._executions + 1
        scores = [self._results[trial][e] for e in range(first, self._wave + 1)]
        known = [s for s in scores if s is not None]
        return self._sign * sum(known) / len(known) if len(known) == len(scores) else -math.inf
