"""What a search over several hyperparameters found besides its verdict: the best trial, and what mattered."""

import textwrap
from dataclasses import asdict
from typing import Any

from actsearch.analysis.hyperparameters.importance import Importance, importance_of
from actsearch.analysis.results import BestTrial, Verdict
from actsearch.analysis.units import capitalized, metric_label
from actsearch.records import SearchRecord

MAX_LINES = 6


def joint_sentences(search: SearchRecord, verdict: Verdict, *, most: int = 4) -> list[str]:
    """Names the best trial, how sure it is, and how much depends on each hyperparameter.

    Args:
        search: Record of the search.
        verdict: Its verdict, from `judge`.
        most: Number of hyperparameters to list.

    Returns:
        Two paragraphs; none if fewer than two hyperparameters vary, or no seed is complete.
    """
    if verdict.best_trial is None:
        return []
    importance = importance_of(search, verdict)
    interactions = [str(each) for each in importance.clear_interactions[:1]]
    paragraphs = [_on_best(search, verdict, verdict.best_trial), [importance.summary(most), *interactions]]
    return [" ".join(f"{sentence}." for sentence in sentences) for sentences in paragraphs]


def _on_best(search: SearchRecord, verdict: Verdict, best: BestTrial) -> list[str]:
    """Names the best trial, its score, what to expect of it, and how sure it is."""
    shown = verdict.units.score
    score = f"Its {verdict.judged_score} is {shown(best.score)} (n={best.num_scores})"
    if best.expected is not None:
        score += f", {shown(best.expected)} without the luck of being chosen"
    if best.num_failed:
        score += f"; {best.num_failed} of its executions failed"
    named = f"Best trial by {metric_label(search.objective.name)}: {best.named}"
    return [named, capitalized(best.certainty), score, *([f"But {best.remark}"] if best.remark else [])]


def joint_text(search: SearchRecord, verdict: Verdict, *, width: int = 80) -> str:
    """Formats this in at most six lines: with fewer hyperparameters if necessary, and what does not fit is cut."""
    for most in (4, 3, 2):
        paragraphs = joint_sentences(search, verdict, most=most)
        limits = [len(textwrap.wrap(text, width)) for text in paragraphs]
        if sum(limits) <= MAX_LINES:
            break
    while sum(limits) > MAX_LINES:
        limits[limits.index(max(limits))] -= 1
    cut = [
        textwrap.fill(text, width, max_lines=limit, placeholder=" …")
        for text, limit in zip(paragraphs, limits, strict=True)
    ]
    return "\n".join(cut)


def joint_plain(search: SearchRecord, verdict: Verdict) -> dict[str, Any]:
    """Returns the best trial and the importance of the hyperparameters as plain data; None if there is none."""
    best = verdict.best_trial
    if best is None:
        return {"best_trial": None, "importance": None}
    importance = importance_of(search, verdict)
    return {"best_trial": asdict(best), "importance": plain_importance(importance)}


def plain_importance(importance: Importance) -> dict[str, Any]:
    """Returns the shares and interactions as plain data."""
    plain = asdict(importance)
    for name in ("shares", "interactions", "omitted"):
        plain[name] = list(plain[name])
    for interaction, each in zip(plain["interactions"], importance.interactions, strict=True):
        interaction |= {"is_clear": each.is_clear, "levels": list(each.levels)}
        interaction["means"] = {name: list(means) for name, means in each.means.items()}
    return plain
