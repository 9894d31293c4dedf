import sys
from dataclasses import replace
from subprocess import run

from making import search, trial

from actsearch.analysis.report import FINDING_HEADERS, HEADERS, escape, leaderboard, markdown
from actsearch.analysis.verdict import judge

SCORES = {"relu": [0.90, 0.92, 0.91], "elu": [0.95, 0.95, 0.96], "tanh": [None, None, None], "gelu": [0.9, None, 0.9]}


def test_the_best_first_and_the_failed_last_with_their_reason():
    rows = leaderboard(search(SCORES))
    assert [row[0] for row in rows] == ["elu", "relu", "gelu", "tanh"]
    assert rows[0][1] == "0.9533 ± 0.0058 (n=3)"
    assert rows[0][2:] == ("+4.3 points", "1.00", "2.00", "128 MiB", "1,000")
    assert rows[1][2] == "baseline"
    assert rows[2][1] == "0.9000 ± 0.0000 (n=2, 1 failed)"
    assert rows[2][2] == "-0.5 points"
    assert rows[3][:3] == ("tanh", "failed: loss is nan", "-")
    assert {len(row) for row in rows} == {len(HEADERS)}


def test_differences_are_over_common_seeds_and_none_without_a_baseline():
    rows = leaderboard(search({"relu": [0.5, 0.9], "elu": [None, 0.91]}))
    assert rows[0][2] == "+1.0 points"
    assert {row[2] for row in leaderboard(search(SCORES, baseline=None))} == {"-"}


def test_settings_that_differ_are_named():
    made = [
        trial("0", "relu", [0.9], hyperparameters={"activation": "relu", "lr": 0.0123456, "units": 8}),
        trial("1", "relu", [0.8], hyperparameters={"activation": "relu", "lr": 0.1, "units": 8}),
        trial("2", "elu", [], hyperparameters={"activation": "elu", "lr": 0.1, "units": 8}),
    ]
    rows = leaderboard(search(made))
    assert [row[0] for row in rows] == ["relu (lr=0.0123)", "relu (lr=0.1)", "elu"]
    assert rows[2][1] == "not run"


def test_markdown_has_recommendation_findings_and_failures():
    record = search(SCORES)
    text = markdown(record, judge(record))
    assert judge(record).recommendation.split(":")[0] in text
    assert f"| {' | '.join(FINDING_HEADERS)} |" in text
    assert "- tanh, executions 1-3 failed: loss is nan" in text
    assert "- gelu, execution 2 failed: loss is nan" in text
    assert "Uses executions 1-3" in text
    assert "Uses executions" not in markdown(record)


def test_no_name_can_break_the_table():
    name = "a|b\n<script>alert(1)</script> [x](http://y) `c` *d* _e_"
    record = search({"relu": [0.9, 0.8, 0.85], name: [0.9, 0.8, 0.86]}, name="s|<b>")
    text = markdown(record, judge(record))
    assert "<script>" not in text
    assert "<b>" not in text
    table = [line for line in text.splitlines() if line.startswith("|")]
    assert {line.replace(r"\|", "").count("|") for line in table} == {len(HEADERS) + 1, len(FINDING_HEADERS) + 1}
    assert escape("leaky_relu") == "leaky_relu"


def test_a_search_without_trials_is_an_empty_table():
    record = search({})
    assert leaderboard(record) == []
    assert "activation" in markdown(record, judge(record))


def test_long_reasons_are_cut():
    record = search({"relu": [None]})
    (made,) = record.trials
    made = replace(made, executions=(replace(made.executions[0], reason="x" * 500),))
    assert len(leaderboard(replace(record, trials=(made,)))[0][1]) < 100


def test_analysis_loads_neither_keras_nor_mlflow_and_the_report_no_scipy():
    code = (
        "import sys, actsearch.analysis.report as r; assert 'scipy' not in sys.modules; import actsearch.analysis as a;"
    )
    code += "a.judge, a.plot_pareto; import actsearch.search.allocation;"
    code += "sys.exit(bool({'keras', 'tensorflow', 'mlflow', 'keras_tuner', 'matplotlib.pyplot'} & set(sys.modules)))"
    assert run([sys.executable, "-c", code], check=False).returncode == 0
