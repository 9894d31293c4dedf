"""What MLflow's pages say of a search: the names of runs, and the notes of experiment, search and trials."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from actsearch.analysis.results import Verdict
from actsearch.analysis.units import COST_UNITS, capitalized, error_unit
from actsearch.records import SearchRecord, TrialRecord
from actsearch.reports.joint import joint_sentences
from actsearch.reports.leaderboard import LeaderboardRow, failures_of, shortened
from actsearch.reports.markdown import escape, link, markdown_table, promise
from actsearch.reports.story import story_of
from actsearch.reports.text import MARKS, leaderboard_cells
from actsearch.tracking.ui_view import charts_path, key_of, run_path, view_path
from actsearch.visualization.dead_units import diagnoses_of
from actsearch.visualization.functions_plot import only_activation

LONGEST_NOTE = 8000  # characters, by MLflow's limit on tags
REPORT = "report.html"
PICTURES = "report"  # folder of artifacts
_SEPARATOR = " · "
_SPACE = "&emsp;"
_SEEN = 0.005  # share that is not rounded to nothing
_UNNAMED_DATA = ("", "arrays")  # any arrays from Python
_VERSUS = {"better": "than", "worse": "than", "equivalent": "to", "undecided": "against"}


def search_name(search: SearchRecord, verdict: Verdict | None = None) -> str:
    """Names the run of a search by its space and data, and by what to do once that is known.

    Args:
        search: Record of the search.
        verdict: Its verdict, if it is over.

    Returns:
        A name such as `relu_variants · digits · keep relu`.
    """
    data = str(search.data.get("name") or "")
    parts = [search.name, *([] if data in _UNNAMED_DATA else [data])]
    if verdict is not None:
        advice = story_of(search, verdict).advice
        short = advice.split(":")[0].split(";")[0].removesuffix(".")
        is_name = verdict.leader is not None and short.startswith(verdict.leader)
        parts.append(short if is_name else short[:1].lower() + short[1:])
    return _SEPARATOR.join(parts)


def trial_name(row: LeaderboardRow) -> str:
    """Names the run of a trial by its activation, the mark of its verdict, and its gain in the unit of the story.

    Returns:
        A name such as `selu ▲ +1.2`, `relu (baseline)` or `gelu ✗`.
    """
    values = row.label.removeprefix(row.activation).strip()  # those that distinguish it from others of its activation
    gain = "" if row.gain is None else row.units.signed(row.gain).removesuffix(" points")
    mark = "(baseline)" if row.outcome == "baseline" else MARKS[row.outcome].strip()
    return " ".join(filter(None, (row.activation, mark, gain, values)))


@dataclass(frozen=True)
class Places:
    """Where the pages and pictures of a search are, relative to the address of the server.

    Args:
        experiment_id: Id of the experiment.
        run_id: Id of the run of the search.
        trial_run_ids: Ids of the runs of trials.
    """

    experiment_id: str
    run_id: str
    trial_run_ids: Mapping[str, str]

    @property
    def search(self) -> str:
        """The page of the search's run."""
        return run_path(self.experiment_id, self.run_id)

    @property
    def report(self) -> str:
        """The report, among the artifacts of the search's run."""
        return run_path(self.experiment_id, self.run_id, f"/artifacts/{REPORT}")

    def trial(self, trial_id: str) -> str:
        """The page of a trial's run."""
        return run_path(self.experiment_id, self.trial_run_ids[trial_id])


def picture(run_id: str, path: str, title: str) -> str:
    """Shows a picture of a run's artifacts in a note."""
    return f"![{escape(title)}](get-artifact?path={quote(path, safe='')}&run_uuid={run_id})"


def search_note(search: SearchRecord, verdict: Verdict, places: Places) -> str:
    """Writes the note of a search: what it found, links, the forest plot, a table of its trials, and remarks.

    Args:
        search: Record of the search.
        verdict: Its verdict, from `judge`.
        places: Where its pages are.

    Returns:
        The note in markdown; if it is too long for MLflow, the table has fewer rows, and says so.
    """
    command = "\n".join(f"    {line}" for line in str(search.environment.get("command", "")).splitlines())
    reproduce = f"\nTo reproduce this search:\n\n{command}\n" if 0 < len(command) < LONGEST_NOTE / 4 else ""
    rows, room = len(search.trials), LONGEST_NOTE - len(reproduce)
    while len(text := _search_note(search, verdict, places, rows)) > room and rows:
        rows //= 2
    return text[:room] + reproduce


def _search_note(search: SearchRecord, verdict: Verdict, places: Places, most: int) -> str:
    story = story_of(search, verdict)  # MLflow folds a note after some three lines
    parts = [" ".join(filter(None, (f"**{escape(story.advice)}**", escape(story.evidence))))]
    parts += map(escape, (story.reason, story.caution))
    parts.append(_SEPARATOR.join(_links(search, places)))
    if any(comparison.num_pairs for comparison in verdict.comparisons):
        title = f"Gain over {verdict.baseline or verdict.leader}"
        parts.append(picture(places.run_id, f"{PICTURES}/differences.png", title))
    parts += map(escape, joint_sentences(search, verdict))
    parts += _leaderboard(search, verdict, places, most)
    parts.append(promise(verdict) if verdict.comparisons else "")
    data = f"Data: {search.data['summary']}" if search.data.get("summary") else ""
    parts.append("\n".join(f"- {escape(note)}" for note in (data, error_unit(search), *verdict.notes) if note))
    failed = [f"- {escape(f.label)}, {f.executions} failed: {escape(shortened(f.reason))}" for f in failures_of(search)]
    parts.append("\n".join(failed[:most]))
    return "\n\n".join(filter(None, parts)) + "\n"


def _links(search: SearchRecord, places: Places) -> list[str]:
    key = key_of(search)
    return [
        link("All trials", view_path(places.experiment_id, key).lstrip("/")),
        link("Charts", charts_path(places.experiment_id, key).lstrip("/")),
        link("Report", places.report),
    ]


def _leaderboard(search: SearchRecord, verdict: Verdict, places: Places, most: int) -> Iterator[str]:
    rows, caption, headers, cells = leaderboard_cells(search, verdict)
    if not rows:
        return
    lines = []
    for row, (name, *others) in zip(rows, cells, strict=True):
        lines.append([link(escape(name.strip()), places.trial(row.trial_id)), *map(escape, others)])
    yield escape(caption)
    yield _table([escape(header) for header in headers], lines, most)


def _table(headers: Sequence[str], lines: Sequence[Sequence[str]], most: int) -> str:
    """Formats a table of numbers with spaces between its columns, since those of MLflow touch."""
    first, *others = headers
    spaced = [[name, *(_SPACE + cell for cell in cells)] for name, *cells in lines]
    return markdown_table([first, *(_SPACE + header for header in others)], spaced, most, num_texts=1)


def trial_note(search: SearchRecord, verdict: Verdict, trial: TrialRecord, row: LeaderboardRow, places: Places) -> str:
    """Writes the note of a trial: verdict, gain, costs, its picture, and diagnosis.

    Args:
        search: Record of the search.
        verdict: Its verdict, from `judge`.
        trial: Record of the trial.
        row: Its row of the leaderboard.
        places: Where the pages of the search are.

    Returns:
        The note in markdown.
    """
    against = verdict.baseline or verdict.leader or ""
    parts = [f"{_finding(row, against)} {_score(row)}", *_diagnosis(trial), *_costs(row, against)]
    run_id = places.trial_run_ids[trial.trial_id]
    if trial.executions and only_activation(trial) is not None:
        parts.append(picture(run_id, "activation.png", trial.activation))
    if _issues(trial):
        parts.append(picture(run_id, "health.png", "Health by epoch"))
    parts.append(_SEPARATOR.join([link("The search", places.search), *_links(search, places)]))
    return "\n\n".join(filter(None, parts))[:LONGEST_NOTE]


def _finding(row: LeaderboardRow, against: str) -> str:
    """Says how the trial compares."""
    mark = f"**{MARKS[row.outcome]} {escape(row.label)}: {row.outcome or 'not compared'}**"
    if row.outcome not in _VERSUS:
        return f"{mark}{f': {escape(row.reason)}' if row.reason else ''}"
    text = f"{mark} {_VERSUS[row.outcome]} {escape(against)}"
    ratio = row.cost_ratios.get("train_seconds")
    text += f": {escape(row.cells[3].text)}" if row.gain is not None else ""  # the gain, with its interval
    text += f", {ratio} the training time" if ratio and ratio.is_settled else ""
    missing = row.cells[1].note
    return text + (f". {escape(capitalized(missing))}." if missing else ".")


def _score(row: LeaderboardRow) -> str:
    return "" if row.score is None else f"Mean {escape(row.score_name)}: {escape(str(row.cells[2]))}."


def _costs(row: LeaderboardRow, against: str) -> Iterator[str]:
    """Yields a table of what the trial costs."""
    lines = []
    for name in row.shown_costs:
        if name in row.costs:
            ratio, unit = row.cost_ratios.get(name), COST_UNITS[name]
            multiple = "" if ratio is None or (ratio.has_interval and not ratio.is_settled) else str(ratio)
            lines.append([unit.name, f"{unit.text(row.costs[name])} {unit.unit.removeprefix('number')}", multiple])
    if lines:
        yield _table(["cost", "amount", f"of {escape(against)}'s"], lines, len(lines))


def _issues(trial: TrialRecord) -> list[str]:
    diagnoses = diagnoses_of(trial)
    found = diagnoses[-1].get("findings") if diagnoses else None
    return [f"- {issue['severity']}, {escape(issue['site'])}: {escape(issue['reason'])}" for issue in found or ()]


def _diagnosis(trial: TrialRecord) -> Iterator[str]:
    """Yields what the last diagnosis of the trial found."""
    diagnoses = diagnoses_of(trial)
    if not diagnoses:
        return
    if issues := _issues(trial):
        yield "\n".join(["Diagnosis:", "", *issues])
        return
    dead = max((site["dead"] or 0.0 for site in diagnoses[-1]["sites"]), default=0.0)
    shares = f"at most {dead:.0%} of the units of a site are dead" if dead >= _SEEN else "no units are dead"
    yield f"Diagnosis: nothing is wrong; {shares}."


SEARCHES = "**Searches by actsearch**"
MAX_SEARCHES = 20
_OWN_WORDS = "Notes of your own go above this list, which actsearch rewrites after each search."
_LONGEST_EXPERIMENT_NOTE = 5000


def experiment_note(before: str, searches: Sequence[tuple[str, str, str, str]]) -> str:
    """Writes the note of an experiment: its latest searches, below what a user has written.

    Args:
        before: The note so far.
        searches: Time, name, advice and link of each, the newest first; at most 20 are listed.

    Returns:
        The note in markdown. What stands above the line that starts with `SEARCHES` is kept.
    """
    own, found, _ = before.partition(SEARCHES)
    own = own if found else f"{before}\n\n" if before else ""
    lines = [[escape(time), link(escape(name), place), escape(advice)] for time, name, advice, place in searches]
    head = f"{SEARCHES}: the latest is {lines[0][1]}" if lines else SEARCHES
    for most in range(min(len(lines), MAX_SEARCHES), -1, -1):
        table = markdown_table(["started", "search", "verdict"], lines, most, num_texts=3)
        text = f"{head}\n\n{table}\n\n{_OWN_WORDS}\n"
        if len(text) <= _LONGEST_EXPERIMENT_NOTE:
            break
    return own + text
