"""The standings of a running search: the best trials so far, what trains now, failures, and the time left."""

import math
import statistics
import time
from collections import deque
from dataclasses import dataclass

from actsearch.analysis.units import Units
from actsearch.records import Direction, ExecutionRecord, SearchRecord, Status, TrialRecord

MOST_SHOWN = 8
_LATEST = 100  # executions of a kind


class Pace:
    """Counts executions, and estimates how long the rest will take.

    A trial's first execution traces its model, later ones mostly do not, so the two kinds are timed separately. Until
    a later one has ended, they are assumed to take as long as building and training did in the first ones. Only the
    latest of each kind count.
    """

    def __init__(self) -> None:
        self.total: int | None = None
        self.done = 0
        self._num_trials = self._num_firsts = 0
        self._firsts, self._others, self._trained = (deque[float](maxlen=_LATEST) for _ in range(3))
        self._at = 0.0
        self._num_at_once = 1

    def start(self, num_at_once: int = 1) -> None:
        """Starts the clock; `num_at_once` executions run concurrently."""
        self._at, self._num_at_once = time.monotonic(), num_at_once

    def plan(self, num_trials: int | None, num_executions: int | None) -> None:
        """Sets how much is to be done, as far as it is known."""
        self._num_trials, self.total = num_trials or 0, num_executions

    def add(self, execution: ExecutionRecord) -> None:
        """Counts an execution that ended just now."""
        now = time.monotonic()
        seconds, self._at = now - self._at, now
        if self._num_at_once > 1:
            seconds = (execution.ended_at - execution.started_at) / self._num_at_once
        (self._firsts if execution.execution == 1 else self._others).append(seconds)
        self._num_firsts += execution.execution == 1
        self.done += 1
        if execution.resources is not None:
            trained = execution.resources.build_seconds + execution.resources.train_seconds
            self._trained.append(trained / self._num_at_once)

    def seconds_left(self) -> float | None:
        """Estimates the seconds left at the pace so far; None before the first execution ended."""
        if not self.total or not self.done:
            return None
        left = max(self.total - self.done, 0)
        firsts = min(max(self._num_trials - self._num_firsts, 0), left) if self._firsts else 0
        other = self._others or self._trained or self._firsts
        return firsts * statistics.fmean(self._firsts or [0.0]) + (left - firsts) * statistics.median(other)


def format_seconds(seconds: float) -> str:
    """Formats a duration: `3 s`, `2 min 5 s`, `1 h 10 min`.

    Example:

    >>> format_seconds(125)
    '2 min 5 s'
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


@dataclass(frozen=True)
class Standing:
    """A row of the live view: a trial so far.

    Args:
        label: Its activation.
        num_scores: Number of completed executions.
        score: Its mean objective, formatted.
        gain: Its mean gain over the baseline in the executions that both have completed; None without any.
        shown_gain: The same, formatted; empty without any.
    """

    label: str
    num_scores: int
    score: str
    gain: float | None
    shown_gain: str


class Standings:
    """Collects what a live view shows: the best trials so far, what is training, failures, and the time left."""

    def __init__(self) -> None:
        self.search: SearchRecord | None = None
        self.pace = Pace()
        self._trials: dict[str, TrialRecord] = {}
        self._training: dict[tuple[str, int], TrialRecord] = {}
        self._num_failed = 0
        self._num_at_once = 1

    def begin(self, search: SearchRecord) -> None:
        """Starts the clock."""
        self.search = search
        self._num_at_once = search.environment.get("workers", 1)
        self.pace.start(self._num_at_once)

    def started(self, trial: TrialRecord, execution: int) -> None:
        """Notes that an execution trains."""
        self._training[trial.trial_id, execution] = trial

    def recorded(self, trial: TrialRecord) -> None:
        """Notes a trial with an execution of an earlier run."""
        self._trials[trial.trial_id] = trial

    def execution(self, trial: TrialRecord, execution: ExecutionRecord) -> str:
        """Notes an execution that ended; returns a message if it failed, else an empty text."""
        self.pace.add(execution)
        self._training.pop((trial.trial_id, execution.execution), None)
        self._trials[trial.trial_id] = trial
        if execution.status is not Status.FAILED:
            return ""
        self._num_failed += 1
        return f"FAILED {trial.activation} execution {execution.execution}: {execution.reason}"

    @property
    def time_left(self) -> str:
        """The time left, in words; empty while it is not known."""
        left = self.pace.seconds_left()
        return f"{format_seconds(left)} left" if left else ""

    @property
    def status(self) -> str:
        """What trains now, and how many executions failed."""
        parts = [f"{self._num_at_once} workers"] if self._num_at_once > 1 else []  # which of many train is not known
        if self._num_at_once == 1 and self._training:
            (_, execution), trial = next(iter(self._training.items()))
            parts.append(f"training {trial.activation} ({execution})")
        failed = f"{self._num_failed} execution{'s' if self._num_failed > 1 else ''} failed"
        return "; ".join([*parts, *([failed] if self._num_failed else [])])

    def rows(self) -> tuple[list[Standing], int]:
        """Returns the best trials and the baseline, the largest interim gain first, and how many others there are.

        Trials that have no execution in common with the baseline follow, by their mean objective.
        """
        if self.search is None:
            return [], 0
        objective, baseline = self.search.objective, self.search.baseline
        trials = list(self._trials.values())
        sign = -1 if objective.direction is Direction.MAX else 1
        scored = sorted((t for t in trials if t.mean_score is not None), key=lambda t: sign * (t.mean_score or 0.0))
        reference = next((t for t in scored if t.activation == baseline), None)
        gains = {t.trial_id: _gain(t, reference, sign) for t in scored}
        at = {**gains, **({reference.trial_id: 0.0} if reference else {})}
        scored.sort(key=lambda t: math.inf if (gain := at[t.trial_id]) is None else -gain)
        best = scored[:MOST_SHOWN]
        shown = best if reference is None or reference in best else [*best[:-1], reference]
        units = Units(objective, best[0].mean_score or 0.0 if best else 0.0)
        rows = []
        for trial in shown:
            gain = gains[trial.trial_id]
            score, told = units.score(trial.mean_score or 0.0), "" if gain is None else units.signed(gain)
            rows.append(Standing(trial.activation, len(trial.scores), score, gain, told))
        return rows, len(scored) - len(shown)

    def headers(self, rows: list[Standing]) -> list[str]:
        """Returns the headers of the columns: gains only where the baseline has a score."""
        assert self.search is not None
        baseline = self.search.baseline
        has_gains = any(row.label == baseline for row in rows)
        objective = self.search.objective.name.replace("_", " ")
        return ["best so far", "n", objective, *([f"interim gain over {baseline}", ""] if has_gains else [])]


def _gain(trial: TrialRecord, reference: TrialRecord | None, sign: int) -> float | None:
    """Returns the mean gain over the executions that both have completed; None without any."""
    if reference is None or trial is reference:
        return None
    pairs = [(score, reference.scores[n]) for n, score in trial.scores.items() if n in reference.scores]
    return statistics.fmean(-sign * (own - other) for own, other in pairs) if pairs else None


def largest_gain(rows: list[Standing]) -> float:
    return max((abs(row.gain) for row in rows if row.gain is not None), default=0.0)
