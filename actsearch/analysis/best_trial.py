"""The best trial of a search over several hyperparameters: its values, how sure it is, and what to expect of it.

It is chosen by the mean validation score, as the model that is kept is; the judged scores then show which other trials
are worse. Whichever trial is the best, it is excluded with a chance of at most alpha, although the one that it is
compared with has the best of many scores: see `leader_level`.
"""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from scipy import optimize, special

from actsearch.analysis.comparison import ComparisonFamily, JudgedScores, is_joint, score_of, shares_of_looks
from actsearch.analysis.differences import pooled
from actsearch.analysis.hyperparameters.forest import ACTIVATION, varied_hyperparameters
from actsearch.analysis.results import BestTrial, Comparison, Outcome
from actsearch.analysis.undecided import MIN_PAIRS
from actsearch.analysis.units import joined
from actsearch.records import TrialRecord

NODES, LARGEST_T = 2000, 1e6


def best_trial(family: ComparisonFamily, comparisons: Sequence[Comparison]) -> BestTrial | None:
    """Returns the best trial of a search, if several hyperparameters vary and seeds are complete.

    Args:
        family: What the verdict rests on.
        comparisons: Its comparisons.
    """
    judged = family.judged
    names = sorted(varied_hyperparameters(judged.search), key=lambda name: name.split(".")[0] != ACTIVATION)
    left = [t for t in judged.search.ranked if judged.known(t) and _in_the_running(judged, t)]
    if len(names) < 2 or not left:
        return None
    best = left[0]
    others = [t for t in judged.search.trials if t is not best and judged.known(t)]
    rivals = {t.trial_id for t in _rivals(family, best, others)} | _undecided(judged, best, comparisons)
    return BestTrial(
        trial_id=best.trial_id,
        values={name: best.hyperparameters[name] for name in names if name in best.hyperparameters},
        score=float(np.mean(list(judged.known(best).values()))),
        expected=_expected(judged),
        num_scores=len(judged.known(best)),
        num_failed=judged.failed(best),
        num_others=len(others),
        rivals=tuple(t.trial_id for t in others if t.trial_id in rivals),
        alpha=family.alpha,
        remark=_remark(judged, best, comparisons),
    )


def _undecided(judged: JudgedScores, best: TrialRecord, comparisons: Sequence[Comparison]) -> set[str]:
    """Returns the trials that the verdict itself compares with this one, and does not show to be worse."""
    if is_joint(judged.search) or judged.race is not None:
        return set()
    if best in judged.baselines:
        return {c.trial_id for c in comparisons if c.outcome is not Outcome.WORSE}
    is_better = any(c.trial_id == best.trial_id and c.outcome is Outcome.BETTER for c in comparisons)
    return set() if is_better else {t.trial_id for t in judged.baselines}


def _in_the_running(judged: JudgedScores, trial: TrialRecord) -> bool:
    """Returns whether a trial may be the best; a race has shown of some that they are not."""
    return judged.race is None or trial.trial_id in judged.race.unbeaten


def _rivals(family: ComparisonFamily, best: TrialRecord, others: Sequence[TrialRecord]) -> list[TrialRecord]:
    """Returns the trials that are not shown to be worse; in a race, those that it has not dropped as worse."""
    judged = family.judged
    if judged.race is not None:
        return [t for t in others if _in_the_running(judged, t)]
    differences = pooled([judged.differences(t, best, judged.executions) for t in others])
    levels = [family.alpha * shares_of_looks(judged.looks, t, best, family.alpha)[0] for t in others]
    return [
        t
        for t, each, level in zip(others, differences, levels, strict=True)
        if each.size < MIN_PAIRS
        or each.p_value(alternative="less") > leader_level(len(others), round(each.df, 1), level)
    ]


@lru_cache(maxsize=256)
def leader_level(num_others: int, df: float, alpha: float) -> float:
    """Computes the level at which a trial may be shown to be worse than the best of others.

    If no trial is better, t against the trial of the largest mean exceeds at most the largest of as many independent
    normal values over one estimate of their standard deviation (the studentized maximum). With few degrees of freedom
    that estimate, not the choice, makes t large, so that it costs less than dividing alpha by the number of trials.

    Args:
        num_others: Number of trials that the one to compare with was chosen from.
        df: Degrees of freedom of t.
        alpha: Chance of excluding the best trial.

    Example:

    >>> [round(leader_level(47, df, 0.05), 4) for df in (2.0, 10.0, 1000.0)], round(0.05 / 47, 4)
    ([0.0049, 0.0015, 0.0011], 0.0011)
    """
    shares = (np.arange(NODES) + 0.5) / NODES
    spread = np.sqrt(special.chdtri(df, shares) / df)

    def excess(t: float) -> float:
        return float(np.mean(1 - special.ndtr(t * spread) ** num_others)) - alpha

    return float(special.stdtr(df, -optimize.brentq(excess, 0.0, LARGEST_T)))


def _expected(judged: JudgedScores) -> float | None:
    """Returns the mean judged score in each execution of the trial with the best validation mean in the others."""
    executions = judged.executions
    if len(executions) < 2 or judged.race is not None:
        return None
    intact = [t for t in judged.search.trials if len(judged.known(t)) == len(executions)]
    by_number = [{e.execution: score_of(e, "validation") for e in t.executions} for t in intact]
    chosen_by = np.array([[each.get(n) for n in executions] for each in by_number], dtype=float)  # None becomes nan
    if not intact or np.isnan(chosen_by).any():
        return None
    held_out = np.sum(chosen_by, axis=1, keepdims=True) - chosen_by
    leaders = np.argmax(judged.sign * held_out, axis=0)
    return float(np.mean([judged.known(intact[i])[n] for i, n in zip(leaders, executions, strict=True)]))


def _remark(judged: JudgedScores, best: TrialRecord, comparisons: Sequence[Comparison]) -> str:
    """Says why the model that is kept, or the verdict, is of another trial or activation."""
    search = judged.search
    parts = []
    if search.best is not None and search.best is not best:
        parts.append(f"best_model() returns trial {search.best.trial_id}: its mean is better, over fewer executions")
    better = [c for c in comparisons if c.outcome is Outcome.BETTER]
    own = next((c for c in comparisons if c.activation == best.activation), None)
    if not is_joint(search):
        if best.activation != search.baseline and (own is None or own.outcome is not Outcome.BETTER):
            parts.append(f"it is not shown to be better than {search.baseline}, so the verdict does not recommend it")
    elif better and best.activation not in {c.activation for c in better}:
        names = joined([c.activation for c in better])
        parts.append(f"the verdict names {names}: it compares what the first third of the executions chose")
    elif own is not None and own.outcome is Outcome.WORSE:
        parts.append(f"the verdict judged another configuration of {best.activation}, chosen by fewer executions")
    elif own is not None and own.outcome is Outcome.UNDECIDED and search.baseline is not None:
        parts.append(f"{best.activation} is not shown to be better than {search.baseline}")
    return "; ".join(parts)
