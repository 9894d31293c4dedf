"""Who is compared with whom: trials with the baseline's, or activations at their own best setting.

Where an activation has several settings (learning rate, width ...), picking the best and judging it by the same
scores would reward luck. So the setting is chosen by the first third of the seeds and judged by the others. An
activation and the baseline are compared after equal tuning: as many settings of each, the first ones that were
proposed. Many settings of one against a single one of the other are not compared.
"""

import math
from dataclasses import dataclass

import numpy as np

from actsearch.analysis.evidence import Evidence
from actsearch.analysis.statistics import Array, paired_differences
from actsearch.records import TrialRecord


@dataclass(frozen=True)
class Contender:
    """A trial and the baseline's trial that it is compared with.

    Args:
        trial, baseline: The two.
        executions: The numbers of the executions to judge by.
        differences: Oriented differences over those that both completed.
        num_failed: Failed executions of the trial among its settings.
        num_settings: How many settings of each were chosen from.
        obstacle: Why they are not compared, where they are not.
    """

    trial: TrialRecord
    baseline: TrialRecord
    executions: tuple[int, ...]
    differences: Array
    num_failed: int = 0
    num_settings: int = 1
    obstacle: str = ""


def is_joint(evidence: Evidence) -> bool:
    """Whether an activation has several settings."""
    labels = [t.activation for t in evidence.search.trials]
    return len(set(labels)) < len(labels)


def contenders(evidence: Evidence) -> list[Contender]:
    """One for each activation but the baseline's, in the order of the search.

    Args:
        evidence: Of a search that has a trial with the baseline's activation.
    """
    if not is_joint(evidence):
        baseline = evidence.baselines[0]
        others = [t for t in evidence.search.trials if t is not baseline]
        return [pair(evidence, trial, baseline, evidence.executions) for trial in others]
    groups: dict[str, list[TrialRecord]] = {}
    for trial in evidence.search.trials:
        groups.setdefault(trial.activation, []).append(trial)
    own = groups.pop(evidence.search.baseline or "")
    return [_tuned_pair(evidence, group, own) for group in groups.values()]


def pair(
    evidence: Evidence, trial: TrialRecord, baseline: TrialRecord, executions: tuple[int, ...], settings: int = 1
) -> Contender:
    """A trial and a baseline, with their differences over these executions."""
    sign = evidence.sign
    own, other = evidence.known(trial), evidence.known(baseline)
    differences = sign * paired_differences({n: own[n] for n in executions if n in own}, other)
    return Contender(trial, baseline, executions, differences, evidence.failed(trial), settings)


def _tuned_pair(evidence: Evidence, group: list[TrialRecord], own: list[TrialRecord]) -> Contender:
    settings = min(len(group), len(own))
    if settings == 1 < max(len(group), len(own)):
        obstacle = f"not compared: {len(group)} settings against {len(own)} of {own[0].activation}"
        return Contender(group[0], own[0], (), np.array([]), evidence.failed(group[0]), 1, obstacle)
    first = math.ceil(len(evidence.executions) / 3)
    choosing, judging = evidence.executions[:first], evidence.executions[first:]
    trial = _best(evidence, group[:settings], choosing)
    return pair(evidence, trial, _best(evidence, own[:settings], choosing), judging, settings)


def _best(evidence: Evidence, trials: list[TrialRecord], executions: tuple[int, ...]) -> TrialRecord:
    """The setting with the best mean over these executions, validation scores or test; one that failed comes last."""
    sign = evidence.sign

    def merit(trial: TrialRecord) -> float:
        scores = [evidence.scores[trial.trial_id].get(n) for n in executions]
        known = [s for s in scores if s is not None]
        return sign * sum(known) / len(known) if known and len(known) == len(scores) else -math.inf

    return max(trials, key=merit)
