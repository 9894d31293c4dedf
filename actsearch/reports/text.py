"""A search as text: what it found in a few lines, and a table that fits the width of the terminal."""

import math
import textwrap
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from actsearch._text_tables import interval_view
from actsearch.analysis.results import CostRatio, Verdict
from actsearch.analysis.statistics import Interval
from actsearch.analysis.units import COST_UNITS, rounded_up
from actsearch.records import SearchRecord
from actsearch.reports.joint import joint_text
from actsearch.reports.leaderboard import LeaderboardRow, failures_of, leaderboard_rows, shortened
from actsearch.reports.story import story_of

WIDTH = 80  # characters
MARKS = {
    "better": "▲",
    "equivalent": "=",
    "worse": "▼",
    "undecided": "?",
    "failed": "✗",
    "baseline": "○",
    "skipped": "✗",
    "not run": " ",
    "": " ",
}
_GAP = "  "
_BAR = 19  # characters
_MAX_FAILURES = 5
_MAX_DECIMALS = 6
_MAX_SPREAD = 1e4  # of the largest value to the smallest


def text_report(search: SearchRecord, verdict: Verdict, *, width: int = WIDTH) -> str:
    """Formats what a search found in a few lines, the leaderboard, and why executions failed.

    Args:
        search: Record of the search.
        verdict: Its verdict, from `judge`.
        width: Maximum number of characters per line.

    Returns:
        The text.

    Example:

    >>> import actsearch
    >>> result = actsearch.load_result("actsearch-runs/digits")
    >>> print("\\n".join(text_report(result.record, result.verdict).splitlines()[:3]))
    Use elu: better than relu.
    elu: +8.6 points of test accuracy [4.3, 13.0] (95% confidence, 5 executions
    each), time not settled.
    """
    story = [textwrap.fill(sentence, width) for sentence in story_of(search, verdict).sentences]
    parts = ["\n".join(story), text_leaderboard(search, verdict, width=width), joint_text(search, verdict, width=width)]
    return "\n\n".join(part for part in parts if part)


def text_leaderboard(search: SearchRecord, verdict: Verdict, *, width: int = WIDTH) -> str:
    """Formats a line for each trial, what the columns mean, and why executions failed.

    Columns that do not fit are omitted, the least important first; names are never broken.
    """
    rows = leaderboard_rows(search, verdict)
    if not rows:
        return ""
    columns = _fitting(_columns(rows, verdict.reference), width)
    caption = _filled(_caption(rows, verdict, columns), "; ", width)
    legend = _filled(_legend(rows), _GAP, width)
    lines = [caption, *_table(rows, columns, width), legend, *_failures(search, width)]
    return "\n".join(filter(None, lines))


def leaderboard_cells(
    search: SearchRecord, verdict: Verdict
) -> tuple[list[LeaderboardRow], str, list[str], list[list[str]]]:
    """Returns the leaderboard as the terminal shows it, without bars, for a table elsewhere.

    Args:
        search: Record of the search.
        verdict: Its verdict, from `judge`.

    Returns:
        The rows, a line that says what is shown, the headers, and the cells of each row.
    """
    rows = leaderboard_rows(search, verdict)
    if not rows:
        return [], "", [], []
    columns = [column for column in _columns(rows, verdict.reference) if not column.is_bar]
    caption = "; ".join([*_caption(rows, verdict, columns), _GAP.join(_legend(rows))])
    cells = [[column.cells[number] for column in columns] for number in range(len(rows))]
    return rows, caption, [column.header.strip() for column in columns], cells


@dataclass(frozen=True)
class _Column:
    """A column of a text table: what stands in it, and how early it is omitted."""

    header: str
    cells: Sequence[str]
    rank: int  # the largest is omitted first; 0 never
    is_text: bool = False
    is_cost: bool = field(default=False)
    is_bar: bool = field(default=False)

    @property
    def width(self) -> int:
        return max(len(self.header), *map(len, self.cells))


def _columns(rows: Sequence[LeaderboardRow], reference: str | None) -> list[_Column]:
    """Makes all columns that have something to show, from left to right."""
    names = [f"{MARKS[row.outcome]} {row.label}" for row in rows]
    columns = [_Column("  activation", names, 0, is_text=True), *_gain_columns(rows, reference), *_score_columns(rows)]
    columns += [_cost_column(rows, reference, *each) for each in _COSTS]
    columns.append(_Column("to settle it", [to_settle(row) for row in rows], 5))
    return [column for column in columns if any(column.cells)]


_COSTS = (
    ("train_seconds", "time", 3),
    ("cpu_seconds", "CPU", 7),
    ("training_memory_bytes", "memory", 8),
    ("num_parameters", "parameters", 9),
)


def _gain_columns(rows: Sequence[LeaderboardRow], reference: str | None) -> Iterator[_Column]:
    """Yields gain, its interval, and a bar around 0."""
    scale = 100 if rows[0].units.in_points else 1
    pairs = [(row.gain, row.interval) for row in rows]
    gains = [math.nan if gain is None else scale * gain for gain, _ in pairs]
    ends = [
        None if i is None or not math.isfinite(i.high - i.low) else Interval(scale * i.low, scale * i.high)
        for _, i in pairs
    ]
    known = [abs(value) for i in ends if i is not None for value in (i.low, i.high)]
    known += [abs(gain) for gain in gains if not math.isnan(gain)]
    digits, least = (2, 1) if scale > 1 else (3, 0)
    show, shown_gain = (formatter(known, digits, at_least=least, sign=sign) for sign in ("", "+"))
    yield _Column("gain", ["" if math.isnan(gain) else shown_gain(gain) for gain in gains], 0)
    lows, highs = (["" if i is None else show(getattr(i, end)) for i in ends] for end in ("low", "high"))
    wide = [max(map(len, texts), default=0) for texts in (lows, highs)]
    shown = [f"[{low:>{wide[0]}}, {high:>{wide[1]}}]" if low else "" for low, high in zip(lows, highs, strict=True)]
    yield _Column("interval", shown, 1)
    yield _bars(gains, ends, [row.trial_id == reference for row in rows])


def _bars(gains: Sequence[float], ends: Sequence[Interval | None], are_reference: Sequence[bool]) -> _Column:
    """Draws each interval with its gain on one axis; 0 stands in the header, and what is cut has an arrow."""
    known = [(i.low, i.high) for i in ends if i is not None]
    if not known:
        return _Column("", ["" for _ in gains], 2, is_bar=True)
    low, high = interval_view(known)

    def at(value: float) -> int:
        return round((_BAR - 1) * (value - low) / ((high - low) or 1.0))

    def bar(gain: float, interval: Interval | None, is_reference: bool) -> str:
        if interval is None and not is_reference:
            return ""
        line = [" "] * _BAR
        line[at(0.0)] = "│"
        if interval is not None:
            first, last = max(at(interval.low), 0), min(at(interval.high), _BAR - 1)
            for place in range(first, last + 1):
                line[place] = "┼" if line[place] != " " else "─"
            line[0] = "◂" if at(interval.low) < 0 else line[0]
            line[-1] = "▸" if at(interval.high) > _BAR - 1 else line[-1]
            if 0 <= at(gain) < _BAR:  # a gain has an interval only beside it
                line[at(gain)] = "●"
        return "".join(line)

    header = f"{'0':>{at(0.0) + 1}}".ljust(_BAR)
    bars = [bar(*each) for each in zip(gains, ends, are_reference, strict=True)]
    return _Column(header, bars, 2, is_text=True, is_bar=True)


def _score_columns(rows: Sequence[LeaderboardRow]) -> Iterator[_Column]:
    scores = [row.score for row in rows]
    known = [abs(score) for score in scores if score is not None]
    show = (lambda value: f"{value:.4f}") if rows[0].units.in_points else formatter(known, 3)
    for header, values, rank in (("score", scores, 4), ("sd", [row.score_sd for row in rows], 10)):
        yield _Column(header, ["" if value is None else show(value) for value in values], rank)
    counts = [row.num_scores for row in rows if row.score is not None]
    if len(set(counts)) > 1:
        yield _Column("n", [str(row.num_scores) if row.score is not None else "" for row in rows], 6)


def _cost_column(rows: Sequence[LeaderboardRow], reference: str | None, name: str, header: str, rank: int) -> _Column:
    """Makes a column of multiples of the cost of the trial that all are compared with, or of the costs."""
    ratios = [row.cost_ratios.get(name) for row in rows]
    if any(ratios):
        texts = [
            "1.00" if row.trial_id == reference else _ratio(ratio) for ratio, row in zip(ratios, rows, strict=True)
        ]
        return _Column(header, texts, rank, is_cost=True)
    unit = COST_UNITS[name]
    texts = [unit.text(row.costs[name]) if name in row.costs else "" for row in rows]
    return _Column(f"{header} ({unit.unit})" if unit.unit != "number" else header, texts, rank)


def _ratio(ratio: CostRatio | None) -> str:
    if ratio is None:
        return ""
    return "?" if ratio.has_interval and not ratio.is_settled else f"{ratio.estimate:.2f}"


def to_settle(row: LeaderboardRow) -> str:
    """Says in two words what would settle a comparison: `33 more` executions, or `880 samples`."""
    if row.samples_needed is not None:
        return f"{rounded_up(row.samples_needed):,} samples"
    return f"{row.more_executions} more" if row.more_executions is not None else ""


def formatter(values: Sequence[float], digits: int, *, at_least: int = 0, sign: str = "") -> Callable[[float], str]:
    """Makes a function that shows these digits of the typical value, and the same number of decimals of all others.

    Where no number of decimals suits all, each is shown with its own.
    """
    positive = sorted(value for value in values if value > 0)
    if not positive:
        return lambda value: f"{value:{sign}z.{at_least}f}"
    typical, largest = positive[len(positive) // 2], positive[-1]
    decimals = max(digits - 1 - math.floor(math.log10(typical)), at_least)
    if decimals > _MAX_DECIMALS or (largest > _MAX_SPREAD and largest > _MAX_SPREAD * positive[0]):
        return lambda value: f"{value:{sign}.{digits}g}"
    return lambda value: f"{value:{sign}z.{decimals}f}"  # z: no minus before what is rounded to 0


def _fitting(columns: Sequence[_Column], width: int) -> list[_Column]:
    """Omits columns until a line fits."""
    kept = list(columns)
    while sum(column.width for column in kept) + len(_GAP) * (len(kept) - 1) > width:
        last = max(kept, key=lambda column: column.rank)
        if last.rank == 0:
            break
        kept.remove(last)
    return kept


def _table(rows: Sequence[LeaderboardRow], columns: Sequence[_Column], width: int) -> Iterator[str]:
    """Yields the header and a line for each trial; a name that leaves no room stands on a line of its own."""
    others = sum(len(_GAP) + column.width for column in columns[1:])
    room = max(min(columns[0].width, width - others), len(columns[0].header))
    yield _GAP.join([columns[0].header.ljust(room), *(_placed(c, c.header) for c in columns[1:])]).rstrip()
    for number in range(len(rows)):
        name = columns[0].cells[number]
        figures = _GAP.join(_placed(column, column.cells[number]) for column in columns[1:])
        if len(name) > room:
            yield from textwrap.wrap(name, width, subsequent_indent="    ", break_long_words=False)
            name = ""
        yield f"{name:{room}}{_GAP}{figures}".rstrip()


def _placed(column: _Column, text: str) -> str:
    return text.ljust(column.width) if column.is_text else text.rjust(column.width)


def _caption(rows: Sequence[LeaderboardRow], verdict: Verdict, columns: Sequence[_Column]) -> list[str]:
    """Says what is shown, in which unit, from how many executions."""
    against = verdict.baseline or verdict.leader
    unit = "points" if verdict.units.in_points else "+ is better"
    parts = [verdict.judged_score[:1].upper() + verdict.judged_score[1:]]
    parts += [f"gain over {against} ({unit})"] if verdict.comparisons else []
    counts = {row.num_scores for row in rows if row.score is not None}
    parts += [f"n = {counts.pop()}"] if len(counts) == 1 else []
    costs = [column.header for column in columns if column.is_cost]
    reference = next((row for row in rows if row.trial_id == verdict.reference), None)
    if costs and reference is not None and "train_seconds" in reference.costs:
        seconds = COST_UNITS["train_seconds"].text(reference.costs["train_seconds"])
        parts.append(f"{', '.join(costs)}: multiples of {against}'s (time {seconds} s)")
    return parts


def _legend(rows: Sequence[LeaderboardRow]) -> list[str]:
    """Explains the marks that were used."""
    shown = dict.fromkeys(outcome for outcome in MARKS if any(row.outcome == outcome for row in rows))
    return [f"{MARKS[outcome]} {outcome}" for outcome in shown if MARKS[outcome].strip()]


def _filled(parts: Sequence[str], separator: str, width: int) -> str:
    """Joins parts into lines that fit, without breaking one."""
    lines: list[str] = []
    for part in parts:
        if lines and len(lines[-1]) + len(separator) + len(part) <= width:
            lines[-1] += separator + part
        else:
            lines.append(part)
    return "\n".join(textwrap.fill(line, width) for line in lines)


def _failures(search: SearchRecord, width: int) -> Iterator[str]:
    failures = list(failures_of(search))
    for failure in failures[:_MAX_FAILURES]:
        text = f"{failure.label}, {failure.executions} failed: {shortened(failure.reason)}"
        yield textwrap.fill(text, width, subsequent_indent="  ")
    if len(failures) > _MAX_FAILURES:
        yield f"… and {len(failures) - _MAX_FAILURES} more failures."
