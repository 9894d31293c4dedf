import sys
from dataclasses import replace
from subprocess import run

import pytest
from markdown_it import MarkdownIt

from actsearch.analysis.verdict import verdict_of
from actsearch.reports.leaderboard import headers_of
from actsearch.reports.markdown import escape, markdown_report
from actsearch.reports.story import story_of
from tests.helpers.factories import search

SCORES = {"relu": [0.90, 0.92, 0.91], "elu": [0.95, 0.95, 0.96], "tanh": [None, None, None], "gelu": [0.9, None, 0.9]}


def test_markdown_has_recommendation_leaderboard_notes_and_failures():
    record = search(SCORES)
    text = markdown_report(record, verdict_of(record))
    assert story_of(record, verdict_of(record)).advice in text
    assert f"| {' | '.join(headers_of(record, verdict_of(record)))} |" in text
    assert "| undecided (1 of 3 executions failed) | 0.9000 ± 0.0000 (n=2, 1 failed) |" in text
    assert "| failed (loss is nan) | – |" in text
    assert (
        "Equivalent means within ±0.5 points of val accuracy. The chance that any verdict is wrong is at most 5 %."
        in text
    )
    assert "- tanh, executions 1-3 failed: loss is nan" in text
    assert "- gelu, execution 2 failed: loss is nan" in text
    assert "scores of executions 1-3" in text


HOSTILE = [
    "a|b\n<script>alert(1)</script> [x](http://y) `c` *d* _e_ ![i](http://z)",
    "# heading\n\n- item\n\n---\n\n```\ncode",
    "&lt;b&gt; <img src=x onerror=alert(1)> <!-- --> ]( \\| \\\\| ~~s~~",
    "|---|---|\r\n| 1 | 2 |\x0b\x0c\u2028| 3 |",
    "`|`",
]


def tags_and_cells(text):
    """The tags of markdown as a page shows it, and the number of cells of each row of its tables."""
    tokens = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).parse(text)
    inline = [child for token in tokens for child in token.children or []]
    rows = [0]
    for token in tokens:
        rows += [0] if token.type == "tr_open" else []
        rows[-1] += token.type in ("td_open", "th_open")
    return {token.tag or token.type for token in [*tokens, *inline]}, rows[1:]


@pytest.mark.parametrize("name", HOSTILE)
def test_no_name_can_break_the_table_or_become_markup(name):
    record = search({"relu": [0.9, 0.8, 0.85], name: [0.9, 0.8, 0.86], "elu": [0.9, None, 0.8]}, name=name)
    failed = record.trials[2]
    executions = tuple(replace(e, reason=name if e.reason else None) for e in failed.executions)
    record = replace(record, trials=(*record.trials[:2], replace(failed, executions=executions)))
    tags, rows = tags_and_cells(markdown_report(record, verdict_of(record)))
    assert tags <= {
        "p",
        "strong",
        "table",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
        "ul",
        "li",
        "inline",
        "text",
        "br",
        "text_special",
    }
    assert rows == [11] * 4


def test_the_text_of_a_name_is_shown_as_it_was():
    for name in HOSTILE:
        shown = MarkdownIt().parseInline(escape(name))[0].children
        assert "".join(token.content for token in shown) == " ".join(name.split())
    assert escape("leaky_relu") == "leaky_relu"


def test_names_lead_to_their_runs():
    record = search(SCORES)
    text = markdown_report(record, verdict_of(record), links={"1": "#/experiments/1/runs/a b)|<"})
    assert "| [elu](#/experiments/1/runs/a%20b%29%7C%3C) |" in text
    assert "| relu |" in text


def test_a_report_with_little_room_has_fewer_rows_and_whole_lines():
    record = search({f"f{n}": [n / 100, n / 100 + 0.001, None] for n in range(60)}, baseline="f0")
    whole = markdown_report(record, verdict_of(record))
    text = markdown_report(record, verdict_of(record), max_length=8000)
    assert len(whole) > 8000 > len(text) > 3000
    _, rows = tags_and_cells(text)
    assert rows == [11] * len(rows)
    assert f"… and {61 - len(rows)} more." in text
    assert markdown_report(record, verdict_of(record), max_length=len(whole)) == whole
    assert len(markdown_report(record, verdict_of(record), max_length=10)) == 10


def test_a_search_without_trials_is_an_empty_table():
    record = search({})
    text = markdown_report(record, verdict_of(record))
    assert "| activation |" in text
    assert "Nothing to compare" in text


def test_neither_analysis_nor_the_report_loads_keras_or_mlflow():
    code = "import sys, actsearch.reports.markdown; import actsearch.analysis as a;"
    code += "a.judge; import actsearch.visualization as v; v.plot_pareto; import actsearch.tuning.allocation;"
    code += "sys.exit(bool({'keras', 'tensorflow', 'mlflow', 'keras_tuner', 'matplotlib.pyplot'} & set(sys.modules)))"
    assert run([sys.executable, "-c", code], check=False).returncode == 0
