"""A search as HTML: a page from its template, and the piece of HTML that notebooks show."""

import base64
import hashlib
import io
import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib import resources
from typing import Any
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

import matplotlib
import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from matplotlib.figure import Figure

from actsearch._text_tables import breakable, html_heading, html_table
from actsearch._version import __version__
from actsearch.analysis.comparison import is_joint
from actsearch.analysis.hyperparameters.importance import importance_of, percent
from actsearch.analysis.results import Outcome, Verdict
from actsearch.analysis.schedule import is_race
from actsearch.analysis.units import COST_UNITS, error_unit, objective_label
from actsearch.records import SearchRecord
from actsearch.reports.joint import joint_sentences
from actsearch.reports.leaderboard import LeaderboardRow, failures_of
from actsearch.reports.page_table import BoardColumn, board_of, pairs_of
from actsearch.reports.story import glance_of, story_of
from actsearch.reports.text import MARKS
from actsearch.visualization._style import INK, NARROW, Style, ranking, styles_of, titles_of
from actsearch.visualization.comparisons import plot_differences
from actsearch.visualization.figures import Caption, all_figures, captions_of

_SVG, _HREF = "{http://www.w3.org/2000/svg}", "{http://www.w3.org/1999/xlink}href"
_REFERENCE = re.compile(r"(?<=#)[^)\s]+")
PAGE = 9.0  # inches
_LARGEST = 1.35  # times the size of the figure

ElementTree.register_namespace("", _SVG.strip("{}"))


def inline_svg(figure: Figure, caption: Caption, *, name: str) -> str:
    """Converts a figure to an `<svg>` element for an HTML page.

    Everything drawn in `INK` takes the colour of the surrounding text. Letters are outlines, so that it looks the same
    everywhere. The same figure always gives the same element.

    Args:
        figure: The figure.
        caption: Its title and description, for screen readers.
        name: Word that is unique in the page; the ids in the SVG start with it.

    Returns:
        The element.
    """
    buffer = io.BytesIO()
    with matplotlib.rc_context({"svg.fonttype": "path", "svg.hashsalt": name}):
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    drawn = ElementTree.fromstring(buffer.getvalue())
    svg = Element(f"{_SVG}svg", viewBox=drawn.attrib["viewBox"], role="img")
    svg.set("style", f"max-width: {_LARGEST * figure.get_figwidth():g}in")
    svg.set("aria-labelledby", f"{name}-title {name}-text")
    SubElement(svg, f"{_SVG}title", id=f"{name}-title").text = caption.title
    SubElement(svg, f"{_SVG}desc", id=f"{name}-text").text = f"{caption.reading} {caption.content}"
    svg.extend(child for child in drawn if child.tag != f"{_SVG}metadata" and child.find(f"{_SVG}style") is None)
    _adapt([element for part in list(svg)[2:] for element in part.iter()], name)
    return ElementTree.tostring(svg, encoding="unicode")


def _adapt(drawn: list[Element], name: str) -> None:
    """Renames the ids that are referred to and drops the others, uses the page's text colour, and saves space."""
    links = [element.attrib[key] for element in drawn for key in (_HREF, "clip-path") if key in element.attrib]
    used = dict.fromkeys(reference for link in links for reference in _REFERENCE.findall(link))
    names = {reference: f"{name}-{number}" for number, reference in enumerate(used)}
    for element in drawn:
        attributes = element.attrib
        own = attributes.pop("id", "")
        if own in names:
            attributes["id"] = names[own]
        _add_titles(element, titles_of(own))
        if _HREF in attributes:
            attributes["href"] = _REFERENCE.sub(lambda match: names[match[0]], attributes.pop(_HREF))
        if "clip-path" in attributes:
            attributes["clip-path"] = _REFERENCE.sub(lambda match: names[match[0]], attributes["clip-path"])
        if "style" in attributes:
            attributes["style"] = attributes["style"].replace(INK, "currentColor")
        if "d" in attributes:
            attributes["d"] = attributes["d"].replace("\n", "")
        element.text = element.tail = None


def _add_titles(element: Element, titles: Sequence[str]) -> None:
    """Adds texts that are shown where the pointer is: one for each point of a line, or one for the whole mark."""
    points = list(element.iter(f"{_SVG}use"))
    for marked, title in zip(points if len(points) == len(titles) else [element], titles, strict=False):
        inner = Element(f"{_SVG}title")
        inner.text = title
        marked.insert(0, inner)


def html_report(search: SearchRecord, verdict: Verdict, *, drawn: Mapping[str, bytes] | None = None) -> str:
    """Writes an HTML page with the verdict, a sortable table, the figures, the methods, and how to reproduce it.

    Its script sorts the table and compares any two trials seed by seed; the rest works without it. The page follows the
    reader's light or dark mode, and fits a phone and a sheet of paper. It loads and sends nothing: style, script and
    figures are embedded, and its security policy forbids anything else. It does not mention the tracking store.

    Args:
        search: Record of the search, which may still be running or have failed.
        verdict: Its verdict, from `judge`.
        drawn: PNG files of the figures, by name; they are embedded instead of figures that would be drawn now.

    Returns:
        The text of an HTML file, to be written as UTF-8. The same search always gives the same text.

    Example:

    >>> import actsearch
    >>> result = actsearch.load_result("actsearch-runs/digits")
    >>> page = html_report(result.record, result.verdict, drawn={})
    >>> page.startswith("<!DOCTYPE html>"), "better than relu" in page
    (True, True)
    """
    loader = PackageLoader("actsearch.reports", "")
    pages = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
        finalize=_breakable,
    )  # fmt: skip
    board, script, pairs = board_of(search, verdict), _file("page.js"), pairs_of(search, verdict)
    pictures = _pictures(search, verdict) if drawn is None else _embedded(search, verdict, drawn)
    importance = importance_of(search, verdict) if verdict.best_trial else None
    return pages.get_template("page.html").render(
        search=search,
        verdict=verdict,
        story=story_of(search, verdict),
        score=objective_label(search.objective, verdict.judged_score),
        glance=glance_of(search, verdict),
        contents=_contents(pictures, has_pairs=pairs is not None, has_best=importance is not None),
        board=board,
        marks=MARKS,
        shown_marks={row.outcome: MARKS[row.outcome] for row in board.rows if MARKS[row.outcome].strip()},
        error_unit=error_unit(search),
        pairs=json.dumps(pairs, allow_nan=False) if pairs else "",
        styles=styles_of(ranking(verdict, search)),
        outcomes=set(Outcome),
        pictures=pictures,
        failures=list(failures_of(search)),
        paragraphs=joint_sentences(search, verdict),
        importance=importance,
        percent=percent,
        raced=is_race(search),
        joint=is_joint(search),
        matched=len({t.matching.get("initializer") for t in search.trials}) > 1,
        command=str(search.environment.get("command") or ""),
        environment=environment_of(search),
        config=config_of(search),
        space=space_of(search),
        version=__version__,
        style=Markup(_file("page.css")),
        script=Markup(script),
        digest=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )


def _breakable(value: Any) -> Any:
    return breakable(value) if isinstance(value, str) and not isinstance(value, Markup) else value


Picture = tuple[str, Caption, Markup, Markup]


def _contents(pictures: Sequence[Picture], *, has_pairs: bool, has_best: bool) -> list[tuple[str, str]]:
    """Lists the sections and figures of the page with their anchors."""
    contents = [("verdict", "Verdict"), ("trials", "Trials")]
    contents += [("compare", "Compare two")] if has_pairs else []
    contents += [("best", "Best trial")] if has_best else []
    contents += [(f"figure-{name}", caption.title) for name, caption, *_ in pictures]
    return [*contents, ("methods", "Methods"), ("repeat", "Reproduce this search")]


def _pictures(search: SearchRecord, verdict: Verdict) -> list[Picture]:
    """Draws each figure with its name and caption, in a wide version and one for a phone."""
    captions = captions_of(search, verdict)
    wide, narrow = (all_figures(search, verdict, width=width) for width in (PAGE, NARROW))
    return [
        (
            name,
            captions[name],
            Markup(inline_svg(wide[name], captions[name], name=f"w{number}")),
            Markup(inline_svg(narrow[name], captions[name], name=f"n{number}")),
        )
        for number, name in enumerate(wide)
    ]


def _embedded(search: SearchRecord, verdict: Verdict, drawn: Mapping[str, bytes]) -> list[Picture]:
    """Embeds pictures with their captions, in one version for all windows."""
    captions = captions_of(search, verdict)
    pictures = []
    for name, caption in captions.items():
        if name in drawn:
            data = base64.b64encode(drawn[name]).decode()
            image = Markup('<img src="data:image/png;base64,{}" alt="{}">').format(data, caption.content)
            pictures.append((name, caption, image, Markup("")))
    return pictures


def _file(name: str) -> str:
    return resources.files("actsearch.reports").joinpath(name).read_text("utf-8")


_HIDDEN = frozenset({"tracking_uri", "experiment", "command", "packages"})


def environment_of(search: SearchRecord) -> dict[str, str]:
    """Describes when and where the search ran, and with which versions; omits the tracking store."""
    facts = {"started": _time(search.created_at), "ended": _time(search.ended_at) if search.ended_at else "not yet"}
    shown = {k: v for k, v in search.environment.items() if k not in _HIDDEN and v is not None}
    if "memory_bytes" in shown:
        shown["memory"] = f"{shown.pop('memory_bytes') / 2**30:.1f} GiB"
    facts |= {name.replace("_", " "): _plain(value) for name, value in shown.items()}
    return facts | {name: str(v) for name, v in search.environment.get("packages", {}).items() if v}


def config_of(search: SearchRecord) -> dict[str, str]:
    """Describes the configuration of the search and its data."""
    data = {f"data: {name}": value for name, value in search.data.items()}
    values = {**search.config.plain(), "weights": search.weights, **data}
    return {name.replace("_", " "): _plain(value) for name, value in values.items() if value is not None}


def space_of(search: SearchRecord) -> str:
    """Formats the search space as YAML."""
    return yaml.safe_dump(_plain_data(search.space), sort_keys=False, allow_unicode=True) if search.space else ""


def _time(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S} UTC"


def _plain(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_plain(inner)}" for name, inner in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(_plain, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def _plain_data(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(name): _plain_data(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain_data(inner) for inner in value]
    return value if isinstance(value, str | int | float | bool) or value is None else str(value)


def search_html(search: SearchRecord, verdict: Verdict) -> str:
    """What the search found, the leaderboard with the symbols of its activations in plots, and the forest plot."""
    styles, story, board = (
        styles_of(ranking(verdict, search)),
        story_of(search, verdict),
        board_of(search, verdict),
    )
    columns = [column for column in board.columns if column.is_kept or column.header not in _COST_NAMES]
    parts = [html_heading(story.advice), *(Markup("<p>{}</p>").format(each) for each in story.sentences[1:])]
    headers = [Markup("{} <small>{}</small>").format(column.header, column.unit) for column in columns]
    cells = [[_shown(row, column, number, styles) for column in columns] for number, row in enumerate(board.rows)]
    parts.append(html_table(headers, cells))
    if any(comparison.num_pairs for comparison in verdict.comparisons):
        caption = captions_of(search, verdict)["differences"]
        parts.append(Markup(inline_svg(plot_differences(verdict), caption, name=f"search-{search.search_id}")))
    return "".join(parts)


_COST_NAMES = {unit.name for unit in COST_UNITS.values()}


def _shown(row: LeaderboardRow, column: BoardColumn, number: int, styles: Mapping[str, Style]) -> Markup:
    """Makes a cell of a notebook's table, which has no style sheet."""
    cell = column.cells[number]
    if column.header == "activation":
        style, mark = styles[row.activation], MARKS[row.outcome]
        symbol = Markup('<span style="color: {}">{}</span>').format(style.css_colour, style.symbol)
        return Markup("{} {} {}").format(mark, symbol, breakable(cell.text))
    return Markup("{}{} <small>{}</small>").format(cell.text, cell.picture or "", cell.note)
