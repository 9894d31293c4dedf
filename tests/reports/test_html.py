import json
import re
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from actsearch.analysis.verdict import verdict_of
from actsearch.config import SearchConfig
from actsearch.records import CostMeasurement, Scope
from actsearch.reports import html_report
from actsearch.reports.html import search_html
from actsearch.reports.markdown import markdown_report
from actsearch.reports.page_table import board_of, pairs_of
from actsearch.reports.story import glance_of, story_of
from tests.helpers.factories import ACCURACY, LOSS, diagnosed, search, trial
from tests.helpers.report_pages import joint

HOSTILE = "<script>alert(1)</script>\"'--><b>|`&\n{{ 7*7 }}"
VOID = {"meta", "link", "br", "input", "wbr"}


class Page(HTMLParser):
    """The elements of a page, its text, and whether it is well formed."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.open, self.texts, self.inside = [], [], [], {}
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)
        if self.open:
            self.inside.setdefault(self.open[-1], []).append(data.strip())

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def text(self):
        return " ".join(" ".join(self.texts).split())


def report(record):
    return html_report(record, verdict_of(record))


def known(**options):
    scores = {"relu": [0.90, 0.91, 0.92], "elu": [0.95, 0.96, 0.975], "tanh": [0.90, None, 0.91], "selu": [None] * 3}
    environment = {
        "command": "actsearch search relu_variants",
        "packages": {"keras": "3.15"},
        "python": "3.11",
        "memory_bytes": 2**34,
    }
    told = {"environment": environment, "config": SearchConfig(epochs=5, seed=7)}
    record = search(scores, space={"name": "mine", "activations": ["relu", {"elu": {"alpha": 2}}]}, **told | options)
    sites = {"one": (0.2, 0.1), "two": (0.0, 1.0)}
    return replace(record, trials=(diagnosed(record.trials[0], sites), *record.trials[1:]))


def test_the_page_says_what_was_found_how_and_where():
    record = known()
    page = Page(report(record))
    assert story_of(record, verdict_of(record)).advice in page.text
    assert page.inside["h2"] == ["Verdict", "Trials", "Compare two", "Figures", "Methods", "Reproduce this search"]
    for words in (
        "better",
        "failed",
        "loss is nan",
        "selu, executions 1-3",
        "5 epochs",
        "batches of 32",
        "paired t tests",
    ):
        assert words in page.text, words
    for words in (
        "actsearch search relu_variants",
        "1970-01-01 00:00:00 UTC",
        "keras 3.15",
        "16.0 GiB",
        "seed 7",
        "alpha: 2",
    ):
        assert words in page.text, words


def test_the_table_has_a_row_a_trial_and_what_it_is_sorted_by():
    page = Page(report(known()))
    rows = [element for element in page.elements if element[0] in ("tr", "td") or "data-order" in element[1]]
    cells = [attributes["data-order"] for tag, attributes in rows if tag in ("th", "td")]
    width = len(page.all("th")) - 4
    assert width == 13
    assert cells[::width] == ["elu", "relu", "tanh", "selu"]
    gains = [round(float(value), 3) if value else None for value in cells[2::width]]
    assert gains[1:] == [0.0, -0.005, None]
    assert gains[0] > 0
    assert [round(float(value), 3) if value else None for value in cells[4::width]] == [0.962, 0.91, 0.905, None]


def test_every_link_of_the_contents_leads_to_a_section():
    page = Page(report(known()))
    links = [attributes["href"].removeprefix("#") for attributes in page.all("a")]
    ids = {attributes["id"] for _, attributes in page.elements if "id" in attributes}
    assert set(links) <= ids
    assert len(links) == 5 + len(page.all("figure"))


def test_five_questions_are_answered_first():
    record = known()
    page = Page(report(record))
    assert page.inside["dt"][:5] == ["Which?", "How much?", "At what cost?", "How sure?", "Why?"]
    glance = glance_of(record, verdict_of(record))
    for answer in (glance.gain, glance.cost, glance.certainty, glance.reason):
        assert answer in page.text


def test_marks_tell_their_values_where_the_pointer_is():
    titles = Page(report(known())).inside["title"]
    assert "elu, execution 2: 0.9600" in titles
    assert any(title.startswith("elu: better, +5.2 points") for title in titles)
    assert any(title.startswith("elu: 1 s") for title in titles)


def test_settings_are_columns_where_several_hyperparameters_vary():
    made = [trial(str(n), name, [0.9 + n / 100] * 3, hyperparameters={"activation": name, "learning_rate": rate})
            for n, (name, rate) in enumerate([("relu", 0.1), ("relu", 0.01), ("elu", 0.1), ("elu", 0.01)])]  # fmt: skip
    record = search(made)
    board = board_of(record, verdict_of(record))
    assert [column.header for column in board.columns[:3]] == ["activation", "learning rate", "verdict"]
    assert [cell.text for cell in board.columns[0].cells] == ["elu", "elu", "relu", "relu"]
    assert [cell.text for cell in board.columns[1].cells] == ["0.01", "0.1", "0.01", "0.1"]


def test_any_two_trials_can_be_compared_seed_by_seed():
    record = known()
    found = pairs_of(record, verdict_of(record))
    assert [each["label"] for each in found["trials"]] == ["elu", "relu", "tanh"]
    assert found["trials"][0]["scores"] == {"1": 0.95, "2": 0.96, "3": 0.975}
    assert found["trials"][2]["scores"].keys() == {"1", "3"}
    assert (found["first"], found["second"]) == (1, 0)
    assert found["trials"][0]["told"].startswith("better, +5.2 points")
    (section,) = [attributes for attributes in Page(report(record)).all("section") if "data-pairs" in attributes]
    assert json.loads(section["data-pairs"]) == found
    one = search({"relu": [0.9, 0.8]})
    assert pairs_of(one, verdict_of(one)) is None


def test_no_word_of_the_user_becomes_markup():
    failing = trial("1", HOSTILE, [0.9, 0.91, None])
    failing = replace(failing, executions=(*failing.executions[:2], replace(failing.executions[2], reason=HOSTILE)))
    skipped = replace(trial("2", "elu", []), skipped=True, screening={"reason": HOSTILE})
    record = search(
        [diagnosed(trial("0", "relu", [0.9, 0.92, 0.91]), {HOSTILE: (0.5, 1.0)}), failing, skipped],
        name=HOSTILE,
        objective=replace(ACCURACY, name="val_" + HOSTILE),
        space={HOSTILE: HOSTILE},
        config=replace(SearchConfig(), oracle=HOSTILE),
        environment={"command": HOSTILE, "packages": {HOSTILE: HOSTILE}, HOSTILE: HOSTILE},
        data={"summary": HOSTILE, HOSTILE: HOSTILE},
    )
    page = Page(report(record))
    assert len(page.all("script")) == 1
    assert {tag for tag, _ in page.elements} <= {
        *("html", "head", "meta", "title", "link", "style", "body", "header", "h1", "h2", "h3", "p", "main", "section"),
        *("ul", "li", "div", "table", "thead", "tbody", "tr", "th", "td", "span", "b", "small", "figure", "figcaption"),
        *("nav", "a", "input", "label", "select", "circle", "polygon", "wbr"),
        *(
            "svg",
            "desc",
            "defs",
            "g",
            "path",
            "use",
            "clippath",
            "rect",
            "pre",
            "code",
            "dl",
            "dt",
            "dd",
            "footer",
            "script",
        ),
    }
    assert not {name for _, attributes in page.elements for name in attributes if name.startswith("on")}
    assert "49" not in page.inside["h1"]
    assert "alert(1)" not in page.inside["script"][0]
    assert " ".join(HOSTILE.split()) in page.text


def test_the_page_asks_the_network_for_nothing():
    text = report(known())
    page = Page(text)
    addresses = {
        value for _, attributes in page.elements for name, value in attributes.items() if name in ("href", "src")
    }
    assert {address[0] for address in addresses - {"data:,"}} == {"#"}
    assert "@import" not in text
    assert re.findall(r"url\((?!#)", text) == []
    (policy,) = [m["content"] for m in page.all("meta") if m.get("http-equiv") == "Content-Security-Policy"]
    assert policy.startswith("default-src 'none'")


def test_the_tracking_store_stays_at_home():
    environment = {
        "command": "actsearch search",
        "tracking_uri": "https://me:hunter2@host",
        "experiment": "secret_plans",
    }
    text = report(known(environment=environment))
    assert "hunter2" not in text
    assert "secret_plans" not in text


def test_each_picture_is_told_to_who_does_not_see_it():
    page = Page(report(known()))
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    pictures = [picture for picture in page.all("svg") if "aria-labelledby" in picture]
    assert len(pictures) == 2 * len(page.all("figure")) == 12
    assert {picture["role"] for picture in page.all("svg")} == {"img"}
    for picture in pictures:
        assert set(picture["aria-labelledby"].split()) <= set(ids)
    assert any("elu: better, +5.2 points" in text for text in page.inside["desc"])
    assert all(len(text) > 20 for text in page.inside["desc"])
    used = {
        attributes["href"].removeprefix("#")
        for _, attributes in page.elements
        if attributes.get("href", "").startswith("#")
    }
    assert used <= set(ids)


def test_what_is_drawn_in_ink_is_drawn_in_the_colour_of_the_text():
    text = report(known())
    assert "#010101" not in text
    assert "stroke: currentColor" in text
    assert "fill: #009e73" in text.lower()


def test_the_same_search_gives_the_same_page():
    assert report(known()) == report(known())


@pytest.mark.parametrize("baseline", ["relu", None, "elu"])
def test_every_search_has_a_page(baseline):
    for scores in ({}, {"relu": []}, {"relu": [None]}, {"relu": [0.9]}, {"relu": [0.9, 0.8], "elu": [0.7]}):
        record = search(scores, baseline=baseline)
        page = Page(report(record))
        assert story_of(record, verdict_of(record)).advice in page.text
        assert "nan" not in page.text.replace("loss is nan", "")


def test_a_race_and_settings_are_told():
    race = Page(report(known(config=SearchConfig(allocation="race", max_executions=3, alpha=0.1))))
    assert "allocated by a race" in race.text
    assert "at most 10 %" in race.text
    settings = [trial(str(n), "relu", [0.9, 0.8], hyperparameters={"lr": n}) for n in (1, 2)]
    assert "An activation that needs, for example, a different learning rate" not in Page(report(search(settings))).text
    assert "An activation that needs, for example, a different learning rate" in race.text


def test_notebooks_show_a_verdict_and_a_search():
    record = known(name=HOSTILE)
    shown = Page(verdict_of(record)._repr_html_())
    assert verdict_of(record).recommendation in shown.text
    assert len(shown.all("tr")) == 4
    page = Page(search_html(record, verdict_of(record)))
    assert len(page.all("tr")) == 5
    assert len([picture for picture in page.all("svg") if "aria-labelledby" in picture]) == 1
    assert page.all("script") == []


def test_a_notebook_shows_hostile_names_as_text():
    record = search({"relu": [0.9, 0.8, 0.85], HOSTILE: [0.9, 0.8, 0.86]})
    for text in (verdict_of(record)._repr_html_(), search_html(record, verdict_of(record))):
        page = Page(text)
        assert page.all("script") == []
        assert "<script>alert(1)</script>" in page.text


def test_a_page_needs_neither_keras_nor_mlflow_nor_pyplot():
    code = "import sys, actsearch.analysis as a; import actsearch.reports as r; r.html_report;"
    code += "sys.exit(bool({'keras', 'tensorflow', 'mlflow', 'matplotlib.pyplot'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_rows_of_a_joint_search_show_their_values_where_columns_have_no_room():
    page = Page(report(joint()))
    assert sum(small.get("class") == "values" for small in page.all("small")) == 24
    assert "learning_rate=0.001, units=128" in page.text
    assert page.text.count("○") == 2  # the reference, and the legend


def test_absolute_costs_agree_with_their_multiples():
    record = known()
    relu, elu = (next(t for t in record.trials if t.activation == name) for name in ("relu", "elu"))
    times = {
        relu.trial_id: tuple(4.0 + n / 100 for n in range(9)),
        elu.trial_id: tuple(2.0 + n / 200 for n in range(9)),
    }
    record = replace(record, measurements=(CostMeasurement(1.0, 1.0, times, times, times),))
    verdict = verdict_of(record)
    board = board_of(record, verdict)
    (inference,) = [column for column in board.columns if column.header == "inference"]
    shown = {row.activation: (cell.text, cell.note) for row, cell in zip(board.rows, inference.cells, strict=True)}
    assert shown["relu"] == ("3.00", "")
    assert shown["elu"] == ("1.50", "0.50×")
    assert "1.5 (0.50×" in markdown_report(record, verdict)


def test_lines_break_after_the_arrows_of_a_label():
    label = "relu→selu→relu"
    text = report(search({"relu": [0.9, 0.91, 0.92], label: [0.95, 0.96, 0.975]}))
    assert "relu→<wbr>selu→<wbr>relu: +5.2 points" in text
    assert f'title="{label}' in text


def test_the_marks_of_verdicts_are_explained_below_the_table():
    page = Page(report(known()))
    legend = " ".join(page.inside["span"])
    assert all(outcome in legend for outcome in ("baseline", "undecided", "failed"))


def test_the_unit_of_the_errors_of_a_regression_is_told():
    data = {"task": "regression", "target_sd": 77.13}
    record = search({"relu": [0.5, 0.51, 0.52], "elu": [0.4, 0.41, 0.43]}, objective=LOSS, data=data)
    told = "an error of 1 is one standard deviation of it, 77.13 in its own unit"
    assert told in Page(report(record)).text
    assert told in markdown_report(record, verdict_of(record))


@pytest.mark.parametrize("scope", Scope)
def test_what_is_assumed_is_about_what_the_intervals_hold_for(scope):
    record = known()
    text = Page(html_report(record, replace(verdict_of(record), scope=scope))).text
    assert ("only the variation from seed to seed" in " ".join(text.split())) == (scope is Scope.THESE_DATA)
