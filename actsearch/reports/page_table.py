"""The leaderboard as HTML: a table with a picture of each interval; and the scores by which any two are compared."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from actsearch._text_tables import interval_bar, interval_view, same_decimals
from actsearch.analysis.results import Verdict, describe
from actsearch.analysis.units import COST_UNITS, trial_label, value_text
from actsearch.records import SearchRecord
from actsearch.reports.leaderboard import NOTHING, Cell, LeaderboardRow, leaderboard_rows, ratio_text
from actsearch.reports.text import formatter, to_settle
from actsearch.visualization._style import ranking, styles_of


@dataclass(frozen=True)
class BoardCell(Cell):
    """A cell with a text that is shown where the pointer is, and a picture."""

    title: str = ""
    picture: Markup | None = None


@dataclass(frozen=True)
class BoardColumn:
    """A column of the table.

    Args:
        header: What it shows.
        unit: Its unit, or what else is the same for all cells.
        cells: A cell for each trial.
        is_text: Whether it is aligned to the left.
        is_kept: Whether it is shown on a phone too.
    """

    header: str
    unit: str
    cells: Sequence[BoardCell]
    is_text: bool = False
    is_kept: bool = False


@dataclass(frozen=True)
class Board:
    """The rows of a leaderboard, and the columns of their table from left to right."""

    rows: Sequence[LeaderboardRow]
    columns: Sequence[BoardColumn]
    has_settings: bool = False


def board_of(search: SearchRecord, verdict: Verdict) -> Board:
    """Makes the table of a search.

    Where several hyperparameters vary, each has a column; units and counts that are the same for all stand above.

    Args:
        search: Record of the search, which may still be running or have failed.
        verdict: Its verdict, from `judge`.
    """
    rows = leaderboard_rows(search, verdict)
    if not rows:
        return Board([], [])
    settings = settings_of(search)
    columns = [BoardColumn("activation", "", [_name(row, bool(settings)) for row in rows], is_text=True, is_kept=True)]
    columns += [_setting(rows, name) for name in settings]
    columns.append(BoardColumn("verdict", "", [_outcome(row) for row in rows], is_text=True))
    columns += [*_gains(rows, verdict), *_scores(rows, verdict)]
    columns += [_cost(rows, verdict, name) for name in rows[0].shown_costs]
    return Board(rows, columns, bool(settings))


def _name(row: LeaderboardRow, has_settings: bool) -> BoardCell:
    """Makes the cell of a name; its note are the values that have columns of their own where there is room."""
    if not has_settings:
        return BoardCell(row.label, row.label)
    values = row.label.removeprefix(row.activation).strip().removeprefix("(").removesuffix(")")
    return BoardCell(row.activation, row.activation, values)


def settings_of(search: SearchRecord) -> list[str]:
    """Lists the hyperparameters in which trials of one activation differ, in the order of the trials."""
    varying = set[str]().union(*search.varying.values())
    return list(dict.fromkeys(name for t in search.trials for name in t.hyperparameters if name in varying))


def _setting(rows: Sequence[LeaderboardRow], name: str) -> BoardColumn:
    values = [row.hyperparameters.get(name) for row in rows]
    cells = [
        BoardCell(NOTHING, None)
        if value is None
        else BoardCell(value_text(value), float(value) if isinstance(value, int | float) else str(value))
        for value in values
    ]
    return BoardColumn(name.replace("_", " "), "", cells)


def _outcome(row: LeaderboardRow) -> BoardCell:
    cell = row.cells[1]
    settling = to_settle(row)
    more = f"needs {settling}" if settling.endswith("samples") else settling and f"{settling} executions"
    return BoardCell(cell.text, cell.order, more or row.reason, cell.note)


def _gains(rows: Sequence[LeaderboardRow], verdict: Verdict) -> list[BoardColumn]:
    """Makes the columns of the gain with its interval, and of its picture."""
    if not verdict.comparisons:
        return []
    units, scale = verdict.units, 100 if verdict.units.in_points else 1
    known = [abs(scale * value) for row in rows for value in _values(row) if math.isfinite(value)]
    digits, least = (2, 1) if scale > 1 else (3, 0)
    show, signed = (formatter(known, digits, at_least=least, sign=sign) for sign in ("", "+"))
    view = interval_view(ends for row in rows if (ends := _ends(row)) is not None)
    gains, bars = [], []
    for row in rows:
        if row.gain is None:
            at_zero = row.trial_id == verdict.reference
            zero = interval_bar(None, None, view, margin=verdict.margin, title="the baseline") if at_zero else None
            gains.append(BoardCell("0" if at_zero else NOTHING, 0.0 if at_zero else None))
            bars.append(BoardCell("", 0.0 if at_zero else None, picture=zero))
            continue
        ends = _ends(row)
        note = f"[{show(scale * ends[0])}, {show(scale * ends[1])}]" if ends else ""
        p_value = "" if row.p_value is None or not ends else f", p = {row.p_value:.2g}"
        title = f"{row.num_pairs} pair{'' if row.num_pairs == 1 else 's'}{p_value}"
        gains.append(BoardCell(signed(scale * row.gain), row.gain, note, title))
        told = f"{row.label}: {units.signed(row.gain)}{f' {units.interval(*ends)}' if ends else ''}"
        picture = interval_bar(row.gain, ends, view, margin=verdict.margin, title=told)
        bars.append(BoardCell("", row.gain, picture=picture))
    unit = "points" if scale > 1 else "+ is better"
    against = verdict.baseline or verdict.leader
    return [
        BoardColumn(f"gain over {against}", f"{unit}, interval", gains, is_kept=True),
        BoardColumn("", "line at 0", bars, is_text=True, is_kept=True),
    ]


def _values(row: LeaderboardRow) -> list[float]:
    return [value for value in (row.gain, *(_ends(row) or ())) if value is not None]


def _ends(row: LeaderboardRow) -> tuple[float, float] | None:
    interval = row.interval
    if interval is None or not math.isfinite(interval.high - interval.low):
        return None
    return interval.low, interval.high


def _scores(rows: Sequence[LeaderboardRow], verdict: Verdict) -> list[BoardColumn]:
    """Makes the column of the score with its standard deviation, and of the number of scores if they differ."""
    known = [abs(row.score) for row in rows if row.score is not None]
    show = (lambda value: f"{value:.4f}") if verdict.units.in_points else formatter(known, 3)
    cells = [
        BoardCell(NOTHING, None)
        if row.score is None
        else BoardCell(show(row.score), row.score, "" if row.score_sd is None else f"± {show(row.score_sd)}")
        for row in rows
    ]
    counts = {row.num_scores for row in rows if row.score is not None}
    same = f"n\u00a0=\u00a0{next(iter(counts))}" if len(counts) == 1 else ""
    columns = [BoardColumn(verdict.judged_score, f"mean ± sd{f', {same}' if same else ''}", cells)]
    if len(counts) > 1 or any(row.num_failed for row in rows):
        notes = [f"{row.num_failed} failed" if row.num_failed else "" for row in rows]
        numbers = [BoardCell(str(row.num_scores), row.num_scores, note) for row, note in zip(rows, notes, strict=True)]
        columns.append(BoardColumn("n", "executions", numbers))
    return columns


def _cost(rows: Sequence[LeaderboardRow], verdict: Verdict, name: str) -> BoardColumn:
    unit, against = COST_UNITS[name], verdict.baseline or verdict.leader
    known = [row.costs[name] for row in rows if name in row.costs]
    texts, cells = iter(same_decimals([cost / unit.scale for cost in known])), []
    for row in rows:
        if name not in row.costs:
            cells.append(BoardCell(NOTHING, None))
            continue
        ratio = row.cost_ratios.get(name)
        short = "" if ratio is None else "? ×" if ratio.has_interval and not ratio.is_settled else str(ratio)
        title = "" if ratio is None else f"{row.label}: {ratio_text(ratio)} of {against}'s"
        cells.append(BoardCell(next(texts), row.costs[name], short, title))
    is_time = name == "train_seconds"
    return BoardColumn(unit.name, "" if unit.unit == "number" else unit.unit, cells, is_kept=is_time)


MAX_COMPARED = 200  # trials


def pairs_of(search: SearchRecord, verdict: Verdict) -> dict[str, Any] | None:
    """Returns the scores of each trial by execution, with its name and colour; None with fewer than two trials.

    Args:
        search: Record of the search.
        verdict: Its verdict, from `judge`.

    Returns:
        Plain data: `score`, `sign` (1 if larger is better), `points` (factor to points), the trials to start with
        (`first`, which the verdict compares the others with, and `second`), and `trials` with `label`, `colour`, `told`
        (the comparison in the verdict, in words) and `scores`.
    """
    trials = [t for t in verdict.ranked(search) if verdict.scores.get(t.trial_id)][:MAX_COMPARED]
    if len(trials) < 2:
        return None
    styles = styles_of(ranking(verdict, search))
    ids = [t.trial_id for t in trials]
    first = ids.index(verdict.reference) if verdict.reference in ids else 1
    return {
        "score": verdict.judged_score,
        "sign": verdict.units.sign,
        "points": 100 if verdict.units.in_points else 1,
        "first": first,
        "second": 1 if first == 0 else 0,
        "trials": [
            {
                "label": trial_label(search, trial),
                "colour": styles[trial.activation].css_colour,
                "told": describe(found, verdict.units) if (found := verdict.of(trial.trial_id)) else "",
                "scores": {
                    str(n): float(f"{s:.6g}") for n, s in verdict.scores[trial.trial_id].items() if math.isfinite(s)
                },
            }
            for trial in trials
        ],
    }
