"""The same numbers in the terminal, on the report's page, in a notebook, in MLflow's note, and in JSON."""

import json
import re
from html.parser import HTMLParser

import pytest

from actsearch.analysis.verdict import verdict_of
from actsearch.cli.terminal import as_plain
from actsearch.reports import html_report, markdown_report, text_report
from actsearch.reports.html import search_html
from actsearch.reports.story import glance_of, story_of
from actsearch.reports.text import MARKS
from actsearch.tuning.result import SearchResult
from tests.helpers.factories import search
from tests.helpers.verdicts import SCORES

PLACES = ("terminal", "page", "notebook", "MLflow", "JSON")


class Texts(HTMLParser):
    """The text of a page, without pictures and what they are called."""

    def __init__(self, page):
        super().__init__()
        self.texts, self.inside = [], 0
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.inside += tag in ("svg", "style", "script")

    def handle_endtag(self, tag):
        self.inside -= tag in ("svg", "style", "script")

    def handle_data(self, data):
        if not self.inside:
            self.texts.append(data)

    @property
    def text(self):
        return plain(" ".join(self.texts))


def plain(text):
    return " ".join(text.replace("\\", "").replace("&gt;", ">").replace("|", " ").split())


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    """A search in which every outcome but failure occurs."""
    scores = {name: [round(score, 4) for score in each[:12]] for name, each in SCORES.items()}
    return SearchResult(search(scores | {"rrelu": [None] * 12}), tmp_path_factory.mktemp("found"))


@pytest.fixture(scope="module")
def places(result):
    """What each place shows, as plain text."""
    record, verdict = result.record, result.verdict
    return {
        "terminal": plain(text_report(record, verdict, width=500)),
        "page": Texts(html_report(record, verdict)).text,
        "notebook": Texts(search_html(record, verdict)).text,
        "MLflow": plain(markdown_report(record, verdict)),
        "JSON": json.dumps(as_plain(result)),
    }


@pytest.mark.parametrize("place", PLACES)
def test_the_sentences_are_the_same(result, places, place):
    story = story_of(result.record, result.verdict)
    for sentence in story.sentences:
        assert sentence in places[place]


@pytest.mark.parametrize("place", PLACES[:3])
def test_gains_intervals_and_marks_are_the_same(result, places, place):
    shown = re.sub(r"\[ +", "[", places[place])
    for row in as_plain(result)["verdict"]["findings"]:
        assert re.search(rf"{re.escape(MARKS[row['outcome']])}\s+(?:\S\s+)?{row['activation']}\b", shown), row
        if row["outcome"] == "failed":
            continue
        assert f"{100 * row['gain']:+z.1f}" in shown, row
        assert f"[{100 * row['low']:z.1f}, {100 * row['high']:z.1f}]" in re.sub(r", +", ", ", shown), row


def test_the_note_has_the_gains_too(result, places):
    for row in as_plain(result)["verdict"]["findings"]:
        if row["outcome"] != "failed":
            assert result.verdict.units.signed(row["gain"]) in places["MLflow"]


def test_five_answers_are_those_of_the_sentences(result):
    glance, story = glance_of(result.record, result.verdict), story_of(result.record, result.verdict)
    assert glance.activation == "selu"
    assert glance.certainty == "better (95% confidence, 12 executions each)"
    assert story.evidence.startswith(f"selu: {glance.gain.split(' points')[0]} points of val accuracy")
    assert glance.cost in story.evidence
    assert glance.gain.endswith(story.evidence[story.evidence.index("[") : story.evidence.index("]") + 1])


def test_what_an_undecided_search_needs_is_in_the_answer():
    record = search({"relu": [0.90, 0.91, 0.92, 0.93], "elu": [0.90, 0.93, 0.92, 0.96]})
    glance = glance_of(record, verdict_of(record))
    assert glance.certainty.startswith("undecided (95% confidence, 4 executions each); about ")
    assert glance.reason == "no diagnosis explains it"
