"""A search as tables: the leaderboard, and a report in markdown."""

import html
import math
import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from actsearch.analysis.labels import number_range, trial_label
from actsearch.analysis.units import Units
from actsearch.records import SearchRecord, TrialRecord

if TYPE_CHECKING:
    from actsearch.analysis.findings import Finding, Ratio, Verdict

_PRICE_HEADERS = ("train time", "CPU time", "memory", "inference")
HEADERS = ("activation", "objective", "vs baseline", "train s", "CPU s", "peak memory", "parameters")
FINDING_HEADERS = (
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
_FINDING_PRICES = ("train_seconds", "cpu_seconds", "peak_rss_bytes", "inference_microseconds")
NOTHING = "-"
MAX_REASON = 80


def leaderboard(search: SearchRecord) -> list[tuple[str, ...]]:
    """The trials, the best mean first, those that failed last with their reason; cells of text under `HEADERS`.

    The objective is mean ± sd over the completed executions; the difference from the baseline is the mean over the
    seeds that both completed; costs are means.
    """
    baseline = _baseline(search)
    units = Units(search.objective, _level(search, baseline))
    return [_row(search, trial, baseline, units) for trial in search.ranked]


def markdown(search: SearchRecord, verdict: "Verdict | None" = None) -> str:
    """The report of a search: recommendation, findings, leaderboard, notes, and why executions failed.

    Args:
        search: Its records.
        verdict: What `judge` says of it; left out, so are recommendation and findings.
    """
    larger = "larger" if search.objective.direction == "max" else "smaller"
    parts = [f"**{escape(search.name)}**: {escape(search.objective.name)}, {larger} is better"]
    if verdict is not None:
        parts.append(f"**{escape(verdict.recommendation)}.**")
    parts.append(_table(HEADERS, leaderboard(search)))
    if verdict is not None and verdict.findings:
        against = verdict.baseline or verdict.leader or ""
        chance = f"any of them is wrong with a chance of at most {100 * verdict.alpha:g} %"
        parts.append(f"Against {escape(against)}, within ±{verdict.units.margin(verdict.margin)} equivalent; {chance}:")
        parts.append(_table(FINDING_HEADERS, [finding_row(f, verdict.units) for f in verdict.findings]))
    if verdict is not None:
        parts.append("\n".join(f"- {escape(note)}" for note in verdict.notes))
    failures = "\n".join(_failures(search))
    return "\n\n".join([*parts, *([failures] if failures else [])]) + "\n"


def escape(text: str) -> str:
    """Text that markdown and HTML show as it is, in one line; it cannot end a table's cell.

    Example:

    >>> print(escape("a|b <script> *c*"))
    a\\|b &lt;script&gt; \\*c\\*
    """
    plain = html.escape(" ".join(text.split()), quote=False)
    return re.sub(r"([\\`*\[\]|~])|(?<!\w)(_)|(_)(?!\w)", lambda found: "\\" + found[0], plain)


def _failures(search: SearchRecord) -> list[str]:
    """A line for each trial and reason."""
    lines = []
    for trial in search.trials:
        by_reason: dict[str, list[int]] = {}
        for execution in trial.executions:
            if execution.reason:
                by_reason.setdefault(execution.reason, []).append(execution.execution)
        for reason, numbers in by_reason.items():
            which = f"execution{'s' if len(numbers) > 1 else ''} {number_range(numbers)}"
            lines.append(f"- {escape(trial_label(search, trial))}, {which} failed: {escape(_short(reason))}")
    return lines


def _row(search: SearchRecord, trial: TrialRecord, baseline: TrialRecord | None, units: Units) -> tuple[str, ...]:
    name = trial_label(search, trial)
    if trial.mean_score is None:
        reason = next((e.reason for e in trial.executions if e.reason), None)
        text = f"failed: {_short(reason)}" if trial.executions else _why_not_run(trial)
        return (name, text, *[NOTHING] * (len(HEADERS) - 2))
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


def _why_not_run(trial: TrialRecord) -> str:
    return f"skipped: {_short(trial.screening.get('reason'))}" if trial.skipped else "not run"


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


def finding_row(finding: "Finding", units: Units) -> tuple[str, ...]:
    """What is found of a trial, as cells of text under `FINDING_HEADERS`."""
    more = finding.more_executions
    outcome = f"{finding.outcome}, {more} more would settle it" if more is not None else str(finding.outcome)
    if finding.reason:
        outcome = f"{finding.outcome}: {finding.reason}"
    difference = NOTHING
    if finding.difference is not None:
        interval = units.interval(finding.interval.low, finding.interval.high)
        difference = f"{units.difference(finding.difference)} {interval}"
    p_value = NOTHING if finding.p_value is None else f"{finding.p_value:.2g}"
    prices = [_ratio(finding.prices.get(name)) for name in _FINDING_PRICES]
    return (finding.activation, outcome, difference, p_value, str(finding.num_pairs), *prices)


def _ratio(ratio: "Ratio | None") -> str:
    if ratio is None:
        return NOTHING
    low, high = ratio.interval.low, ratio.interval.high
    return str(ratio) if not math.isfinite(high) else f"{ratio} [{low:.2f}, {high:.2f}]"


def _table(headers: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [headers, ["---", *["---:"] * (len(headers) - 1)]]
    lines += [[escape(cell) for cell in row] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _short(reason: str | None) -> str:
    line = " ".join((reason or "no reason recorded").split())
    return line if len(line) <= MAX_REASON else f"{line[: MAX_REASON - 1]}…"


def _number(value: float | None) -> str:
    return NOTHING if value is None else f"{value:.2f}" if value < 100 else f"{value:.0f}"


def _count(value: float | None) -> str:
    return NOTHING if value is None else f"{value:,.0f}"


def _bytes(value: float | None) -> str:
    return NOTHING if value is None else f"{value / 2**20:,.0f} MiB"
