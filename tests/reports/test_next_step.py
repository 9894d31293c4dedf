"""The command that continues a search is one that works."""

import shlex
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

import actsearch
from actsearch.analysis.verdict import verdict_of
from actsearch.cli.resume import labels_of
from actsearch.config import SearchConfig
from actsearch.reports.next_step import how_to_settle, settling_heading
from actsearch.reports.story import story_of
from actsearch.tuning.state import extension_of
from tests.helpers.factories import search, trial

RELU = [0.80, 0.81, 0.79, 0.805, 0.795, 0.80, 0.81, 0.79, 0.80]
NOISE = [0.02, -0.02, 0.01, -0.02, 0.03, -0.01, 0.01, -0.02, 0.0]
OTHER = [r + 0.01 + noise for r, noise in zip(RELU, NOISE, strict=True)]
NO_NUMBERS = {"executions": None, "max_executions": None, "factor": None, "rungs": None}
COMMAND = {"command": "actsearch search relu,elu"}


def found(scores, **numbers):
    config = SearchConfig(**(NO_NUMBERS | numbers))
    trials = [trial(str(i), name, s) for i, (name, s) in enumerate(scores)]
    return search(trials, config=config, environment=COMMAND)


def step(record, directory="run"):
    return how_to_settle(record, verdict_of(record), Path(directory))


def accepted(record, command):
    """What the command asks for, as an extension of the record."""
    words = shlex.split(command)
    most = int(words[words.index("--max-executions") + 1])
    values = [value for option, value in pairwise(words) if option == "--only"]
    only = labels_of(values, {t.activation for t in record.trials})
    return extension_of(record, SearchConfig(**(NO_NUMBERS | {"allocation": "race", "max_executions": most})), only)


def test_a_fixed_search_is_told_to_become_a_race():
    record = found([("relu", RELU[:4]), ("elu", OTHER[:4])], executions=4)
    assert accepted(record, step(record)).max_executions > 4


@pytest.mark.parametrize("numbers", [{"allocation": "race", "max_executions": 30}, {"executions": 9}])
def test_an_unfinished_search_is_told_to_resume(numbers):
    record = found([("relu", RELU[:5]), ("elu", OTHER[:5])], **numbers)
    assert step(record, "my run") == "actsearch resume 'my run'"
    assert step(replace(record, environment={}), "my run") == "run it again with directory='my run'"


def test_what_is_printed_for_a_program_runs_as_it_is():
    record = replace(found([("relu", RELU[:4]), ("elu", OTHER[:4])], executions=4), environment={})
    said = step(record)
    options = said.removeprefix("run it again with ").removesuffix(", without executions")
    race = eval(f"dict({options})", {"actsearch": actsearch})["allocation"]
    assert race.numbers["max_executions"] > 4


def test_a_race_that_is_used_up_is_told_a_larger_maximum():
    record = found([("relu", RELU[:5]), ("elu", OTHER[:5])], allocation="race", max_executions=5)
    assert accepted(record, step(record)).max_executions > 5


def test_halving_is_told_nothing_since_it_cannot_be_extended():
    record = found([("relu", RELU), ("elu", OTHER)], allocation="halving", executions=9)
    assert verdict_of(record).comparisons[0].more_executions
    assert step(record) == ""


def test_of_a_joint_search_a_third_of_the_executions_chooses():
    scores = [("relu", RELU), ("relu", RELU), ("elu", OTHER), ("elu", OTHER)]
    record = found(scores, executions=9)
    (elu,) = verdict_of(record).comparisons
    assert accepted(record, step(record)).max_executions >= 9 + 1.5 * elu.more_executions


def test_labels_with_commas_and_parentheses_survive_the_shell():
    labels = ["leaky_relu(negative_slope=0.2, max_value=6)", "elu, selu"]
    worse = [score - 0.1 for score in RELU[:4]]
    equal = [("gelu", worse), *((label, OTHER[:4]) for label in labels)]
    record = found([("relu", RELU[:4]), *equal], executions=4)
    command = step(record, "a run/of mine")
    assert shlex.split(command)[2] == "a run/of mine"
    assert accepted(record, command).only == tuple(labels)


def test_the_heading_names_what_the_command_settles_and_what_the_story_is_about_first():
    worse = [score - 0.1 for score in RELU[:4]]
    better = [score + 0.001 for score in OTHER[:4]]
    record = found([("relu", RELU[:4]), ("gelu", worse), ("elu", OTHER[:4]), ("selu", better)], executions=4)
    verdict = verdict_of(record)
    assert settling_heading(verdict) == "To settle selu and elu:"
    assert shlex.split(step(record))[-4:] == ["--only", "selu", "--only", "elu"]
    assert story_of(record, verdict).evidence.startswith("Most promising: selu")


def test_what_lacks_data_is_not_in_the_heading():
    record = found([("relu", RELU[:4]), ("elu", OTHER[:4]), ("selu", OTHER[:4])], executions=4)
    verdict = verdict_of(record)
    lacking = replace(verdict.comparisons[0], more_executions=None, num_samples=114, samples_needed=800)
    few = replace(verdict, comparisons=(lacking, verdict.comparisons[1]))
    assert settling_heading(few) == "To settle selu:"
    assert how_to_settle(record, few, Path("run")).endswith("--only selu")
    assert "about 800 samples would settle it (there are 114)" in story_of(record, few).evidence


def test_many_names_are_cut_in_the_heading():
    record = found([("relu", RELU[:4]), *((f"a{n}", OTHER[:4]) for n in range(7))], executions=4)
    assert settling_heading(verdict_of(record)) == "To settle a0, a1, a2, a3 and 3 others:"
