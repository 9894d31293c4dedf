"""A search as tables: the leaderboard, and a report in markdown."""

import html
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

from actsearch.analysis.units import Units, number_range, trial_label
from actsearch.records import SearchRecord, TrialRecord

if TYPE_CHECKING:
    from actsearch.analysis.results import Comparison, CostRatio, Verdict

HEADERS = ("activation", "objective", "vs baseline", "train s", "CPU s", "peak memory", "parameters")
COMPARISON_HEADERS = (
    "activation",
    "verdict",
    "difference",
    "adjusted p",
    "pairs",
    "train time",
    "CPU time",
    "memory",
    "inference",
)
_COMPARED_COSTS = ("train_seconds", "cpu_seconds", "peak_rss_bytes", "inference_microseconds")
NOTHING = "-"


def leaderboard(search: SearchRecord) -> list[tuple[str, ...]]:
    """The trials, the best mean first, those that failed last with their reason; cells of text under `HEADERS`.

    The objective is mean ± sd over the completed executions; the difference from the baseline is the mean over the
    seeds that both completed; costs are means.
    """
    baseline = _baseline(search)
    units = Units(search.objective, _level(search, baseline))
    return [_row(search, trial, baseline, units) for trial in search.ranked]


def markdown(
    search: SearchRecord,
    verdict: "Verdict | None" = None,
    *,
    links: Mapping[str, str] | None = None,
    max_length: int | None = None,
) -> str:
    """The report of a search: recommendation, leaderboard, comparisons, notes, and why executions failed.

    Args:
        search: Its records.
        verdict: What `judge` says of it; left out, so are recommendation and comparisons.
        links: An address for each trial, by its id; its name in the leaderboard leads there.
        max_length: The most characters. Tables have fewer rows then, and say so.
    """
    rows = len(search.trials)
    while True:
        text = _markdown(search, verdict, links or {}, rows)
        if max_length is None or len(text) <= max_length or rows == 0:
            return text if max_length is None else text[:max_length]
        rows = rows // 2


def _markdown(search: SearchRecord, verdict: "Verdict | None", links: Mapping[str, str], rows: int) -> str:
    larger = "larger" if search.objective.direction == "max" else "smaller"
    parts = [f"**{escape(search.name)}**: {escape(search.objective.name)}, {larger} is better"]
    if verdict is not None:
        parts.append(f"**{escape(verdict.recommendation)}.**")
    board = [[escape(cell) for cell in row] for row in leaderboard(search)]
    for trial, row in zip(search.ranked, board, strict=True):
        if trial.trial_id in links:
            row[0] = f"[{row[0]}]({_address(links[trial.trial_id])})"
    parts.append(_table(HEADERS, board, rows))
    if verdict is not None and verdict.comparisons:
        against = verdict.baseline or verdict.leader or ""
        chance = f"any of them is wrong with a chance of at most {100 * verdict.alpha:g} %"
        parts.append(f"Against {escape(against)}, within ±{verdict.units.margin(verdict.margin)} equivalent; {chance}:")
        found = [[escape(cell) for cell in comparison_row(f, verdict.units)] for f in verdict.comparisons]
        parts.append(_table(COMPARISON_HEADERS, found, rows))
    if verdict is not None:
        parts.append("\n".join(f"- {escape(note)}" for note in verdict.notes))
    failed = [f"- {escape(f.label)}, {f.executions} failed: {escape(short(f.reason))}" for f in failures_of(search)]
    parts.append("\n".join(failed[:rows]))
    return "\n\n".join(part for part in parts if part) + "\n"


def escape(text: str) -> str:
    """Text that markdown and HTML show as it is, in one line; it cannot end a table's cell.

    Example:

    >>> print(escape("a|b <script> *c*"))
    a\\|b &lt;script&gt; \\*c\\*
    """
    plain = html.escape(" ".join(text.split()), quote=False)
    return re.sub(r"([\\`*\[\]|~])|(?<!\w)(_)|(_)(?!\w)", lambda found: "\\" + found[0], plain)


def _row(search: SearchRecord, trial: TrialRecord, baseline: TrialRecord | None, units: Units) -> tuple[str, ...]:
    name = trial_label(search, trial)
    if trial.mean_score is None:
        return (name, why_no_score(trial), *[NOTHING] * (len(HEADERS) - 2))
    spread = f" ± {units.score(trial.sd_score)}" if trial.sd_score is not None else ""
    failed = len(trial.executions) - len(trial.completed)
    count = f"n={len(trial.scores)}" + (f", {failed} failed" if failed else "")
    return (
        name,
        f"{units.score(trial.mean_score)}{spread} ({count})",
        _against(trial, baseline, units),
        _number(trial.mean_resource("train_seconds")),
        _number(trial.mean_resource("cpu_seconds")),
        _bytes(trial.mean_resource("peak_rss_bytes")),
        _count(trial.mean_resource("num_parameters")),
    )


def _baseline(search: SearchRecord) -> TrialRecord | None:
    return next((t for t in search.ranked if t.activation == search.baseline and t.mean_score is not None), None)


def _level(search: SearchRecord, baseline: TrialRecord | None) -> float:
    typical = baseline or search.best
    return typical.mean_score or 0.0 if typical else 0.0


def _against(trial: TrialRecord, baseline: TrialRecord | None, units: Units) -> str:
    if baseline is None:
        return NOTHING
    if trial is baseline:
        return "baseline"
    both = trial.scores.keys() & baseline.scores.keys()
    if not both:
        return NOTHING
    return units.difference(units.sign * sum(trial.scores[n] - baseline.scores[n] for n in both) / len(both))


def comparison_row(comparison: "Comparison", units: Units) -> tuple[str, ...]:
    """What is found of a trial, as cells of text under `COMPARISON_HEADERS`."""
    more = comparison.more_executions
    outcome = f"{comparison.outcome}, {more} more would settle it" if more is not None else str(comparison.outcome)
    if comparison.reason:
        outcome = f"{comparison.outcome}: {comparison.reason}"
    difference = NOTHING
    if comparison.difference is not None:
        interval = units.interval(comparison.interval.low, comparison.interval.high)
        difference = f"{units.difference(comparison.difference)} {interval}"
    p_value = NOTHING if comparison.p_value is None else f"{comparison.p_value:.2g}"
    costs = [_ratio(comparison.cost_ratios.get(name)) for name in _COMPARED_COSTS]
    return (comparison.activation, outcome, difference, p_value, str(comparison.num_pairs), *costs)


def _ratio(ratio: "CostRatio | None") -> str:
    if ratio is None:
        return NOTHING
    low, high = ratio.interval.low, ratio.interval.high
    return str(ratio) if not math.isfinite(high) else f"{ratio} [{low:.2f}, {high:.2f}]"


def _table(headers: Sequence[str], rows: Sequence[Sequence[str]], most: int) -> str:
    lines = [headers, ["---", *["---:"] * (len(headers) - 1)], *rows[:most]]
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return table if len(rows) <= most else f"{table}\n\n… and {len(rows) - most} more."


def _address(link: str) -> str:
    """An address as markdown takes it: nothing in it ends the link."""
    return quote(link, safe="#/:?&=%.-_~@,")


def _number(value: float | None) -> str:
    return NOTHING if value is None else f"{value:.2f}" if value < 100 else f"{value:.0f}"


def _count(value: float | None) -> str:
    return NOTHING if value is None else f"{value:,.0f}"


def _bytes(value: float | None) -> str:
    return NOTHING if value is None else f"{value / 2**20:,.0f} MiB"


MAX_REASON = 80


@dataclass(frozen=True)
class Failure:
    """Executions of one trial that failed for one reason.

    Args:
        label: What the trial is called.
        executions: Their numbers, in words: `execution 2`, `executions 1-3`.
        reason: Why, in one line.
    """

    label: str
    executions: str
    reason: str


def failures_of(search: SearchRecord) -> Iterator[Failure]:
    """The failures of a search, in its order."""
    for trial in search.trials:
        by_reason: dict[str, list[int]] = {}
        for execution in trial.executions:
            if execution.reason:
                by_reason.setdefault(execution.reason, []).append(execution.execution)
        for reason, numbers in by_reason.items():
            which = f"execution{'s' if len(numbers) > 1 else ''} {number_range(numbers)}"
            yield Failure(trial_label(search, trial), which, one_line(reason))


def why_no_score(trial: TrialRecord) -> str:
    """Why a trial has no score: `failed: ...`, `skipped: ...` or `not run`."""
    if trial.executions:
        return f"failed: {short(next((e.reason for e in trial.executions if e.reason), None))}"
    return f"skipped: {short(trial.screening.get('reason'))}" if trial.skipped else "not run"


def short(reason: str | None) -> str:
    """A reason in one line of at most 80 characters."""
    line = one_line(reason or "no reason recorded")
    return line if len(line) <= MAX_REASON else f"{line[: MAX_REASON - 1]}…"


def one_line(text: str) -> str:
    """Text without line breaks."""
    return " ".join(text.split())
