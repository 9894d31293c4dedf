"""The sequential test of a race: after every seed, it shows which trials are not the best, and which are better,
equivalent or worse than the baseline.

**Drops.** For each trial, the hypothesis "it is the best" is tested. At each seed, its score is compared with that of
the other trial that led *before* this seed. The choice of that leader therefore does not depend on the new scores, and
if the trial is the best, no comparison has a mean below zero, however lucky the leader was: this takes one hypothesis
per trial instead of one per pair. The looks share the level by error spending (`nominal_levels`), the trials by Holm's
step-down (1979), which holds for repeated looks since the boundaries are nested (Maurer & Bretz 2013): with c trials
not yet beaten, each is tested at alpha / c. The chance that a trial which is among the best is ever dropped is at most
alpha.

**Claims.** The difference from the baseline has an interval that holds at all looks together (repeated confidence
intervals, Jennison & Turnbull 1989), at level 1 - alpha / (number of candidates). *Equivalent*: within the margin.
*Better*: above zero, once the baseline is shown not to be the best. *Worse*: below zero, once the trial itself is.
The chance that any interval misses the true difference is at most alpha over all candidates and looks. When all trials
but one are shown not to be the best, the remaining one is the best: it is better than the baseline, or, if it is the
baseline, all others are worse.

If all trials are equal, every false statement starts with a false drop, so the chance of any is at most alpha.

**Executions that exist** are used, whatever they show: when a search is extended, a trial leaves only after those that
it had. What is decided, has failed or would hardly be decided by more executions then gets no more.

**Assumes** that differences between two trials on one seed are close to normal (they are symmetric if the two trials
have the same distribution, whatever its shape) and independent from seed to seed; for drops also that changes of the
leader do not change their spread much. A standard deviation below the step of the scores is replaced by that step. If
trials have strong skews in opposite directions, the errors are larger: 0.07 to 0.09 instead of 0.05 for exponential
scores (`benchmarks/race.py`).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from actsearch.analysis.differences import Differences, Pairs, pooled
from actsearch.analysis.looks import Looks, nominal_levels, spending
from actsearch.analysis.results import Action, Decision, Outcome
from actsearch.analysis.statistics import UNBOUNDED, Interval, resolution
from actsearch.analysis.units import Units
from actsearch.records import Objective, SampleScores, Scope

LIMITING_SHARE = 0.5  # of the variance: from there on, data rather than executions are what is missing
LIMIT_LOOK = 5  # executions, before a race may end because of its data


class RaceTest:
    """The sequential test of a race: it observes the scores seed by seed, and decides.

    Args:
        trials: Ids of all trials; fewer than two leave nothing to decide.
        baselines: Ids of those with the baseline's activation. The last of them is never dropped; claims are made only
            if there is exactly one.
        objective: Name and direction of the scores.
        alpha: Level of the drops over all trials, and of the claims over all trials.
        margin: Difference that does not matter; None for the objective's default, 0 for no claims of equivalence.
        plans: When the search is looked at, as for `spending`; the last look is the last seed.
        scope: What the decisions are to hold for. New data needs the sample scores.
        sizes: `num_samples` and `num_training` as for `Differences`, where they are known.
        existing: Number of executions that trials have in any case. A trial that is decided, fails, or would hardly be
            decided by more executions leaves the running only after them.

    Example:

    >>> from actsearch.records import Direction
    >>> accuracy = Objective("val_accuracy", Direction.MAX)
    >>> race = RaceTest(["a", "b"], ["a"], accuracy, alpha=0.05, margin=None, plans=[Looks(10, every=True)])
    >>> for noise in (0.0, 0.01, -0.01, 0.02, 0.01):
    ...     _ = race.observe({"a": 0.90 + noise / 2, "b": 0.50 + noise})
    >>> race.running, race.claims["b"].value
    (['a'], 'worse')
    """

    def __init__(
        self,
        trials: Sequence[str],
        baselines: Iterable[str],
        objective: Objective,
        *,
        alpha: float,
        margin: float | None,
        plans: Sequence[Looks],
        scope: Scope = Scope.NEW_DATA,
        sizes: Mapping[str, int | None] | None = None,
        existing: Mapping[str, float] | None = None,
    ) -> None:
        self.running = list(trials)
        self.unbeaten = list(trials)
        self.baselines = frozenset(baselines)
        self.claims: dict[str, Outcome] = {}
        self.decisions: list[Decision] = []
        self.executions = 0
        self._objective, self._margin, self._max, self._scope = objective, margin, plans[-1].last, scope
        self._sizes = dict(sizes or {})
        self._existing = dict(existing or {})
        self._leaving: set[str] = set()
        self._scores: dict[str, list[float]] = {trial: [] for trial in trials}
        sign = self.units.sign
        self._against_leader: dict[str, Pairs] = {trial: Pairs(sign) for trial in trials}
        self._against_baseline: dict[str, Pairs] = {trial: Pairs(sign) for trial in trials}
        self._intervals: dict[str, Interval] = {}
        self._looked_at: dict[str, int] = dict.fromkeys(trials, 0)
        self._p_values: dict[str, float] = dict.fromkeys(trials, 1.0)
        self._alpha = alpha
        shares, spent = tuple(alpha / c for c in range(1, len(trials) + 1)), spending(plans)
        self._drop_levels = nominal_levels(shares, spent[1:])  # the first seed has no leader yet
        self.claim_alpha = alpha / max(len(trials) - 1, 1)
        self._claim_levels = nominal_levels((self.claim_alpha / 2,), spent)[:, 0]

    @property
    def baseline(self) -> str | None:
        """The trial that claims are made against; None unless there is exactly one."""
        return next(iter(self.baselines)) if len(self.baselines) == 1 else None

    @property
    def finished(self) -> bool:
        """Whether every candidate is decided, or the seeds are used up."""
        if self.executions >= self._max or not self.running:
            return True
        return (not self.undecided or len(self.running) == 1) and all(map(self._is_over, self.running))

    @property
    def undecided(self) -> list[str]:
        """The candidates in the running for which nothing is claimed."""
        return [t for t in self.running if t not in self.baselines and t not in self.claims]

    def ending(self, trial: str) -> Decision | None:
        """Returns the decision after which a trial gets no more executions; None if it may get more."""
        made = [each for each in self.decisions if each.trial_id == trial]
        over = trial not in self.running or not self.undecided
        return made[-1] if made and over else None

    @property
    def units(self) -> Units:
        """The units of the objective, given the mean of the baseline's scores, or of all scores without any."""
        typical = [s for t in self.baselines or self._scores for s in self._scores.get(t, ())]
        typical = typical or [s for scores in self._scores.values() for s in scores]
        return Units(self._objective, sum(typical) / len(typical) if typical else 0.0)

    @property
    def margin(self) -> float:
        """The margin in use."""
        return self.units.default_margin if self._margin is None else self._margin

    def interval(self, trial: str) -> Interval:
        """Returns the interval of a trial's oriented difference from the baseline: the intersection of all looks."""
        return self._intervals.get(trial, UNBOUNDED)

    def p_value(self, trial: str) -> float:
        """Returns p of a difference from the baseline: the smallest of all looks, each scaled by its level."""
        return self._p_values[trial]

    def differences(self, trial: str) -> Differences:
        """Returns a trial's oriented differences from the baseline, by seed."""
        return self._made({trial: self._against_baseline[trial]})[trial]

    def _made(self, pairs: Mapping[str, Pairs]) -> dict[str, Differences]:
        """Makes the differences of several trials, each with what the others say about the variance."""
        how: dict[str, Any] = {"floor": self._floor, "scope": self._scope, **self._sizes}
        made = [each.differences(**how) for each in pairs.values()]
        return dict(zip(pairs, pooled(made), strict=True))

    def level(self, trial: str) -> float:
        """Returns the two-sided level of a trial's interval at the latest look; 0 before the first."""
        return 2 * float(self._claim_levels[self._looked_at[trial]])

    def observe(
        self, scores: Mapping[str, float | None], samples: Mapping[str, SampleScores | None] | None = None
    ) -> list[Decision]:
        """Takes in the scores of one complete seed.

        Args:
            scores: Score of each running trial, None if its execution failed. A trial that is missing leaves the race
                without a decision.
            samples: Sample scores of those trials, where they are known.

        Returns:
            The decisions that follow from this seed.
        """
        before = len(self.decisions)
        self.executions += 1
        self.running = [t for t in self.running if t in scores]
        for trial in [t for t in self.running if scores[t] is None and t not in self.baselines | self._leaving]:
            reason = "one of its executions failed: it can no longer be shown better"
            self._leave(trial)
            self.decisions.append(Decision(trial, Action.FAILED, self.executions, reason))
        self._take_in({t: s for t in self.running if (s := scores[t]) is not None}, samples or {})
        candidates = [t for t in self.running if t not in self.baselines]
        self._drop()
        if self.baseline is not None:
            self._claim(candidates)
            self._release()
        self.running = [t for t in self.running if t not in self._leaving or not self._is_over(t)]
        return self.decisions[before:]

    def _is_over(self, trial: str) -> bool:
        return self.executions >= self._existing.get(trial, 0)

    def _leave(self, trial: str) -> None:
        self._leaving.add(trial)
        if self._is_over(trial):
            self.running = [t for t in self.running if t != trial]

    def _take_in(self, scores: Mapping[str, float], samples: Mapping[str, SampleScores | None]) -> None:
        sign, baseline = self.units.sign, self.baseline or ""
        led = {t: sign * sum(self._scores[t]) / len(self._scores[t]) for t in scores if self._scores[t]}

        def add(pairs: Pairs, trial: str, other: str) -> None:
            pairs.add(scores[trial] - scores[other], samples.get(trial), samples.get(other))

        first = max(led, key=led.__getitem__, default=None)
        second = max((t for t in led if t != first), key=led.__getitem__, default=None)
        for trial in scores:
            if (leader := second if trial == first else first) is not None:
                add(self._against_leader[trial], trial, leader)
            if baseline in scores and trial != baseline:
                add(self._against_baseline[trial], trial, baseline)
                self._looked_at[trial] = self.executions
        for trial, score in scores.items():
            self._scores[trial].append(score)

    def _drop(self) -> None:
        made = self._made({trial: self._against_leader[trial] for trial in self._tested})
        p_values = {trial: differences.p_value(alternative="less") for trial, differences in made.items()}
        while len(self.unbeaten) > 1:
            shown = [t for t in p_values if p_values[t] <= self._drop_level(t) > 0]
            if not shown:
                return
            trial = min(shown, key=p_values.__getitem__)
            self._beat(trial, p_values.pop(trial), self._drop_level(trial))

    @property
    def _tested(self) -> list[str]:
        return [t for t in self.running if t in self.unbeaten]

    def _drop_level(self, trial: str) -> float:
        return float(self._drop_levels[len(self._against_leader[trial].means), len(self.unbeaten) - 1])

    def _beat(self, trial: str, p_value: float, level: float) -> None:
        pairs = self._against_leader[trial].means
        mean = sum(pairs) / len(pairs)
        reason = (
            f"worse than the best so far: {self.units.difference(mean)} on average over {len(pairs)} executions "
            f"(p = {p_value:.2g}, needed {level:.2g})"
        )
        if trial in self.baselines and not self.baselines & (set(self.running) - {trial}):
            action = Action.BEATEN
        else:
            action = Action.DROPPED
            self._leave(trial)
        self.unbeaten.remove(trial)
        self.decisions.append(Decision(trial, action, self.executions, reason, None, mean, p_value, level))

    def _claim(self, candidates: Sequence[str]) -> None:
        margin = self.margin
        made = self._made({trial: self._against_baseline[trial] for trial in candidates})
        for trial in candidates:
            interval = self._narrow(trial, made[trial])
            if trial in self.claims:
                continue
            if interval.within(margin):
                self._conclude(trial, Outcome.EQUIVALENT, f"within ±{self.units.margin(margin)}")
                self._leave(trial)
            elif interval.low > 0 and self.baseline not in self.unbeaten:
                self._conclude(trial, Outcome.BETTER, "above zero, and the baseline is not the best")
            elif interval.high < 0 and trial not in self.unbeaten:
                self._conclude(trial, Outcome.WORSE, "below zero")
        if len(self.unbeaten) == 1:
            self._conclude_from_last(self.unbeaten[0])

    def _conclude_from_last(self, last: str) -> None:
        """Concludes that the last trial not beaten is the best."""
        if last != self.baseline:
            concluded, outcome = [last], Outcome.BETTER
        else:
            concluded, outcome = [t for t in self._scores if t != last], Outcome.WORSE
        for trial in concluded:
            if trial not in self.claims:
                self._conclude(trial, outcome, "all but one trial are shown not to be the best")

    def _conclude(self, trial: str, outcome: Outcome, why: str) -> None:
        self.claims[trial] = outcome
        mean = self.differences(trial).mean
        interval = self.interval(trial)
        reason = f"{self.units.difference(mean)} {self.units.interval(interval.low, interval.high)}: {why}"
        self.decisions.append(Decision(trial, Action.CLAIMED, self.executions, reason, outcome, mean))

    def _narrow(self, trial: str, differences: Differences) -> Interval:
        level = self.level(trial)
        if level > 0:
            new = differences.interval(1 - level)
            old = self.interval(trial)
            both = Interval(max(new.low, old.low), min(new.high, old.high))
            self._intervals[trial] = both if both.low <= both.high else new
            self._p_values[trial] = min(self._p_values[trial], differences.p_value() * self._alpha / level)
        return self.interval(trial)

    def _release(self) -> None:
        """Lets undecided candidates go that no number of executions on these data would decide."""
        if self.executions < LIMIT_LOOK:
            return
        over = {t: self._against_baseline[t] for t in self.undecided if self._is_over(t)}
        for trial, differences in self._made(over).items():
            if is_limited_by_data(differences, self.margin, self.claim_alpha):
                reason = f"{differences.num_drawn:,} samples are too few"
                self._leave(trial)
                self.decisions.append(Decision(trial, Action.LIMITED, self.executions, reason, None, differences.mean))

    @property
    def _floor(self) -> float:
        return resolution([s for scores in self._scores.values() for s in scores])


def is_limited_by_data(differences: Differences, margin: float, alpha: float) -> bool:
    """Returns whether no reasonable number of executions on the same data would probably decide a comparison.

    The mean may still change by what more executions average out, so it is moved by twice that standard error.

    Args:
        differences: The differences so far.
        margin: Difference that does not matter.
        alpha: Level of the comparison.
    """
    if differences.share_of_samples < LIMITING_SHARE:
        return False
    reach = 2 * differences.standard_error * (1 - differences.share_of_samples) ** 0.5
    moved = [replace(differences, means=differences.means + step) for step in (-reach, 0.0, reach)]
    return all(each.executions_needed(margin=margin, alpha=alpha) is None for each in moved)
